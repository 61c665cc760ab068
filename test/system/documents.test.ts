import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync, gzipSync } from 'node:zlib'
import { startS3Server } from '../servers/s3.ts'
import { openWorkspace, s3Environment } from '../support/command.ts'
import type { Workspace } from '../support/command.ts'

const COUNT = 40_000
const records = Array.from({ length: COUNT }, (_, n) => `{"n":${n},"text":"${'x'.repeat(200)}"}`)

/** `records:` of a source, and a document that it fits. */
const documents: readonly (readonly [name: string, records: string, text: string])[] = [
  ['split as bytes', 'data.events', `{"v":1,"data":{"events":[${records.join(',')}],"next":null}}`],
  [
    'parsed',
    'pages[*].items',
    `{"pages":[${[0, 1, 2, 3].map((page) => `{"items":[${quarter(page).join(',')}]}`).join(',')}]}`,
  ],
]

for (const [name, path, text] of documents) {
  for (const compressed of [false, true]) {
    test(`a run that is killed within a ${compressed ? 'compressed ' : ''}document that is ${name} loses and repeats nothing`, async (t) => {
      const workspace = await openWorkspace(t)
      await writePipeline(workspace, compressed ? 'in.json.gz' : 'in.json', path)
      await writeFile(workspace.path(compressed ? 'in.json.gz' : 'in.json'), compressed ? gzipSync(text) : text)
      let kills = 0
      for (let wanted = 2; ; wanted += 7) {
        const running = workspace.start(['run', 'p'])
        const end = running.ended.then(() => true)
        while ((await objectsOf(workspace)).length < wanted) if (await Promise.race([end, sleep(5)])) break
        running.kill('SIGKILL')
        const { code, stderr } = await running.ended
        assert.ok(code === null || code === 0, stderr)
        if (code === 0) break
        kills++
      }
      assert.ok(kills >= 2, `${kills} kills`)
      await assertWritten(t, workspace)
    })
  }
}

test('the pipeline cloudtrail writes each event of a trail once, and reads only files that are new', async (t) => {
  const s3 = await startS3Server({ buckets: ['audit'] })
  t.after(() => s3.close())
  const workspace = await openWorkspace(t)
  await cp('pipelines/cloudtrail.yaml', workspace.path('pipelines/cloudtrail.yaml'))
  await cp('schemas', workspace.path('schemas'), { recursive: true })
  const env = { ...s3Environment(s3), SLUICE_BUCKET: 'audit', SLUICE_HMAC_KEY: 'canary-hmac-key-0123456789' }
  const log = async (file: string, document: object) => {
    const path = workspace.path(file)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, gzipSync(JSON.stringify(document)))
  }
  await log('AWSLogs/123/CloudTrail/eu-west-1/2026/03/04/a.json.gz', { Records: [event(1), event(2)] })
  await log('AWSLogs/o-1/456/CloudTrail/eu-west-1/2026/03/04/b.json.gz', { Records: [event(2), event(3)] })
  await log('AWSLogs/123/CloudTrail-Digest/eu-west-1/2026/03/04/c.json.gz', { digestEndTime: '2026-03-04' })
  const first = await workspace.report(['run', 'cloudtrail'], { env })
  assert.deepEqual([first.read, first.written, first.duplicate, first.rejected], [4, 3, 1, 0])
  await log('AWSLogs/123/CloudTrail/eu-west-1/2026/03/04/d.json.gz', { Records: [event(3), event(4)] })
  const second = await workspace.report(['run', 'cloudtrail'], { env })
  assert.deepEqual([second.read, second.written, second.duplicate], [2, 1, 1])
  const written = [...s3.objects('audit').values()].map(({ body }) => gunzipSync(body).toString()).join('')
  assert.equal(written.trim().split('\n').length, 4)
  assert.doesNotMatch(written, /canary|10\.1\.2\.3/)
})

function event(n: number): object {
  return {
    eventVersion: '1.10',
    eventID: `id-${n}`,
    eventTime: '2026-03-04T05:06:07Z',
    sourceIPAddress: '10.1.2.3',
    requestParameters: { password: `canary-${n}` },
  }
}

async function writePipeline(workspace: Workspace, file: string, path: string): Promise<void> {
  await workspace.write(
    'pipelines/p.yaml',
    `source: { type: file, path: ${file}, records: '${path}' }
sink: { type: file, path: out, key: all, roll: { maxRecords: 1000 } }
`,
  )
}

async function objectsOf(workspace: Workspace): Promise<string[]> {
  const folder = workspace.path('out', 'all')
  return existsSync(folder) ? (await readdir(folder)).filter((name) => name.endsWith('.gz')) : []
}

async function assertWritten(t: TestContext, workspace: Workspace): Promise<void> {
  const found: string[] = []
  for (const name of await objectsOf(workspace)) {
    const bytes = await readFile(workspace.path('out', 'all', name))
    found.push(...gunzipSync(bytes).toString().trimEnd().split('\n'))
  }
  t.diagnostic(`${(await objectsOf(workspace)).length} objects`)
  assert.equal(found.length, COUNT)
  assert.deepEqual(new Set(found), new Set(records))
}

function quarter(page: number): string[] {
  return records.slice((page * COUNT) / 4, ((page + 1) * COUNT) / 4)
}
