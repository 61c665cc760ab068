import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import { chainPipelines } from '../../../examples/programs/chain-pipelines.ts'
import { writeRecords } from '../../../examples/programs/pick-records.ts'
import { archiveServer } from '../../../examples/programs/serve-archive.ts'
import type { Report } from '../../../src/index.ts'
import { makeProject } from '../../support/config-project.ts'
import { filesBelow } from '../../support/leaks.ts'
import { codeFile } from '../../support/paths.ts'

const folderSink = `sink: { type: file, path: out, key: all, compression: none }\n`
const byId = `transforms: [{ type: dedup, key: [id] }]\n`

function lines(from: number, to: number, text = ''): string {
  return Array.from({ length: to - from }, (_, at) => `{"id":${from + at},"text":"${text}"}\n`).join('')
}

async function written(folder: string): Promise<string> {
  const files = await filesBelow(join(folder, 'out')).catch(() => new Map<string, Buffer>())
  return [...files.values()].join('')
}

function idsIn(text: string): number[] {
  return [...text.matchAll(/"id":(\d+)/g)].map(([, id]) => Number(id)).toSorted((a, b) => a - b)
}

function count(to: number): number[] {
  return Array.from({ length: to }, (_, id) => id)
}

async function startServer(t: TestContext, files: { readonly [name: string]: string | Buffer }) {
  const folder = await makeProject(t, {
    'pipelines/archive.yaml': `source: { type: file, path: in }\n${byId}${folderSink}`,
    ...files,
  })
  const reports: (Report | undefined)[] = []
  const server = await archiveServer(folder, (report) => reports.push(report))
  t.after(() => server.close())
  const nextReport = async () => {
    while (reports.length === 0) await new Promise((resolve) => setTimeout(resolve, 10))
    return reports.shift()
  }
  return { url: `${await server.listen({ host: '127.0.0.1', port: 0 })}/events`, nextReport }
}

test('an archive is sent to a client, whole', async (t) => {
  const { url, nextReport } = await startServer(t, { 'in/a.ndjson': lines(0, 5000) })
  for (let time = 0; time < 2; time++) {
    const response = await fetch(url)
    assert.equal(response.headers.get('content-type'), 'application/x-ndjson')
    assert.deepEqual(idsIn(await response.text()), count(5000))
    assert.equal((await nextReport())?.outcome, 'done')
  }
})

test('a client that does not read holds the archive back, and one that leaves ends the pipeline', async (t) => {
  const records = lines(0, 100_000, 'x'.repeat(500))
  const { url, nextReport } = await startServer(t, { 'in/a.ndjson': records })
  const request = get(url)
  const response = await new Promise<IncomingMessage>((resolve) => request.once('response', resolve))
  response.once('data', () => response.pause())
  await new Promise((resolve) => setTimeout(resolve, 500))
  request.destroy()
  const report = await nextReport()
  assert.equal(report?.outcome, 'closed')
  // What the sockets hold, and a few batches.
  assert.ok(report.bytesIn < records.length / 2, `${report.bytesIn} of ${records.length} bytes were read`)
})

test('a response is cut off when the archive is damaged', async (t) => {
  const whole = gzipSync(lines(0, 100_000))
  const { url, nextReport } = await startServer(t, { 'in/a.ndjson.gz': whole.subarray(0, whole.length / 2) })
  const response = await fetch(url)
  await assert.rejects(response.text())
  assert.equal((await nextReport())?.error?.code, 'INPUT_CORRUPT')
})

test('the output of one pipeline is the input of another', async (t) => {
  const folder = await makeProject(t, {
    'pipelines/raw.yaml': `source: { type: file, path: in }\ntransforms: [{ type: redact, rules: [{ path: text, action: drop }] }]\nsink: { type: stdout }\n`,
    'pipelines/clean.yaml': `source: { type: file, path: '-' }\n${byId}${folderSink}`,
    'in/a.ndjson': lines(0, 10, 'secret'),
    'in/b.ndjson': lines(5, 20, 'secret'),
  })
  const first = await chainPipelines(folder)
  assert.deepEqual([first.raw?.written, first.clean?.written, first.clean?.duplicate], [25, 20, 5])
  assert.equal((await chainPipelines(folder)).clean?.written, 0)
  assert.deepEqual(idsIn(await written(folder)), count(20))
  assert.doesNotMatch(await written(folder), /secret/)
})

test('stream-json feeds a pipeline, and numbers keep their digits', async (t) => {
  const folder = await makeProject(t, {
    'pipelines/events.yaml': `source: { type: file, path: '-' }\n${byId}${folderSink}`,
    'document.json': JSON.stringify({
      accounts: { a: { events: [{ id: 0 }, { id: 1 }] }, b: { name: 'b', events: [{ id: 2, s: 'a\n"' }] } },
      other: { events: [{ id: 9 }] },
    }).replace('"id":2', '"id":9007199254740993,"n":1.10'),
  })
  await writeRecords(join(folder, 'document.json'), folder)
  assert.deepEqual((await written(folder)).trim().split('\n').toSorted(), [
    '{"id":0}',
    '{"id":1}',
    '{"id":9007199254740993,"n":1.10,"s":"a\\n\\""}',
  ])
  await writeFile(join(folder, 'document.json'), '{"accounts":{"a":{"events":[{"id":3},{"id"')
  await assert.rejects(writeRecords(join(folder, 'document.json'), folder))
})

test('a queue consumer acknowledges what is published, and a kill loses and repeats nothing', async (t) => {
  const folder = await makeProject(t, {
    'pipelines/queue.yaml': `source: { type: file, path: '-' }\n${byId}${folderSink}`,
    acknowledged: '',
  })
  const total = 3000
  let kills = 0
  for (let round = 0; ; round++) {
    assert.ok(round < 50, 'the queue is never empty')
    const child = spawn(process.execPath, [codeFile('test/system/examples/queue-process.ts'), folder, String(total)])
    t.after(() => child.kill('SIGKILL'))
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
    // At another point of its work each time.
    if (round < 4) {
      let seen = 0
      child.stdout.on('data', (data: Buffer) => {
        seen += data.toString().split('\n').length - 1
        if (seen >= 2 + 3 * round) child.kill('SIGKILL')
      })
    } else child.stdout.resume()
    const code = await ended
    const acknowledged = (await readFile(join(folder, 'acknowledged'), 'utf8')).trim().split('\n').filter(Boolean)
    const ids = idsIn(await written(folder))
    assert.deepEqual(ids, [...new Set(ids)], 'an event was written twice')
    const missing = acknowledged.filter((id) => !ids.includes(Number(id)))
    assert.deepEqual(missing, [], 'an acknowledged event is not published')
    if (code === 0) break
    kills++
  }
  assert.ok(kills > 0)
  assert.deepEqual(idsIn(await written(folder)), count(total))
})
