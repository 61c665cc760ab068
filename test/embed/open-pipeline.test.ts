import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { describe, test } from 'node:test'
import { inspect } from 'node:util'
import { gzipSync } from 'node:zlib'
import type { TestContext } from 'node:test'
import { openPipeline, reportOf, SluiceError } from '../../src/index.ts'
import type { OpenOptions, Progress } from '../../src/index.ts'
import { makeProject } from '../support/config-project.ts'

const archive = `source:
  type: file
  path: in
transforms:
  - type: redact
    rules: [{ path: email, action: mask }]
  - type: dedup
    key: [id]
sink:
  type: file
  path: \${env:OUT}
  key: all
  compression: none
tests:
  - name: masks
    input: [{ id: 1, email: a@example.com }]
    expect: { output: [{ id: 1, email: '***' }] }
`

async function openProject(
  t: TestContext,
  { yaml = archive, records = 1000, ...options }: OpenOptions & { yaml?: string; records?: number } = {},
) {
  const folder = await makeProject(t, { 'pipelines/archive.yaml': yaml, 'in/a.ndjson': lines(0, records) })
  const open = (more: OpenOptions = {}) => openPipeline('archive', { folder, env: { OUT: 'out' }, ...options, ...more })
  return { folder, open, written: () => writtenIn(join(folder, 'out')) }
}

function lines(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, at) => `{"id":${from + at},"email":"user@example.com"}\n`).join('')
}

async function writtenIn(folder: string): Promise<{ id: number; email: string }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')))
  return texts.flatMap((text) => parseLines(text))
}

function parseLines(text: string): { id: number; email: string }[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line): { id: number; email: string } => JSON.parse(line))
}

function idsOf(records: readonly { id: number }[]): number[] {
  return records.map(({ id }) => id).toSorted((a, b) => a - b)
}

function count(to: number): number[] {
  return Array.from({ length: to }, (_, id) => id)
}

async function failureOf(operation: Promise<unknown>): Promise<SluiceError> {
  const error: unknown = await operation.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof SluiceError, String(error))
  return error
}

describe('run', () => {
  test('runs the pipeline in its project folder, whatever the working directory is', async (t) => {
    const { folder, open, written } = await openProject(t)
    const archivePipeline = await open()
    const report = await archivePipeline.run()
    assert.equal(report.outcome, 'done')
    assert.equal(report.written, 1000)
    assert.deepEqual(idsOf(await written()), count(1000))
    assert.ok((await readdir(join(folder, '.sluice'))).includes('archive'))
    assert.equal((await archivePipeline.run()).read, 0)
  })

  test('overrides values, as text or by path, and keeps the state where it is asked to', async (t) => {
    const { folder, open } = await openProject(t)
    const report = await (await open({ set: ['sink.path=other', 'sink.key=one'], state: 'states' })).run()
    assert.equal(report.objects[0]?.key.startsWith('one/'), true)
    assert.equal((await writtenIn(join(folder, 'other'))).length, 1000)
    assert.deepEqual(await readdir(join(folder, 'states')), ['archive'])
    await (await open({ set: { 'sink.path': 'third: #1', 'limits.maxLine': '1000B' }, state: 'states-2' })).run()
    assert.equal((await writtenIn(join(folder, 'third: #1'))).length, 1000)
  })

  test('takes variables from env only, if it is given', async (t) => {
    const { open } = await openProject(t, { env: {} })
    process.env['OUT'] = 'from-the-process'
    t.after(() => delete process.env['OUT'])
    const error = await failureOf((await open()).run())
    assert.equal(error.code, 'CONFIG_INVALID')
    assert.match(error.message, /^1 error in archive$/)
    assert.match(String(error.hint), /archive\.yaml:11:.*OUT/s)
  })

  test('writes to several sinks; what a program reads does not depend on them', async (t) => {
    const sinks = `sinks:
  even: { type: file, path: "\${env:OUT}/even", key: all, compression: none }
  all: { type: file, path: "\${env:OUT}/all", key: all, compression: none }
routes: [{ when: { id: [0, 2, 4] }, to: [even, all] }]
default: all
`
    const yaml = `${archive.replace(/^sink:.*?(?=^tests:)/ms, '')}${sinks}`
    const { folder, open } = await openProject(t, { yaml, records: 6 })
    const opened = await open()
    const { written, sinks: bySink } = await opened.run()
    assert.deepEqual([written, bySink['even']?.records, bySink['all']?.records], [6, 3, 6])
    assert.deepEqual(idsOf(await writtenIn(join(folder, 'out/even'))), [0, 2, 4])
    const read = await (await open({ env: {} })).readable().toArray()
    assert.deepEqual(idsOf(parseLines(Buffer.concat(read).toString())), count(6))
    await pipeline(Readable.from([lines(6, 8)]), opened.writable())
    assert.deepEqual(idsOf(await writtenIn(join(folder, 'out/all'))), count(8))
  })

  test('a signal ends it cleanly: what was read is committed, and the next run reads the rest', async (t) => {
    const { open, written } = await openProject(t, { records: 30_000 })
    const stop = new AbortController()
    stop.abort()
    const opened = await open()
    const report = await opened.run({ signal: stop.signal })
    assert.equal(report.outcome, 'interrupted')
    await opened.run()
    assert.deepEqual(idsOf(await written()), count(30_000))
  })

  test('a failure is an error with the report of what was done', async (t) => {
    const { open, folder } = await openProject(t)
    await writeFile(join(folder, 'in', 'b.ndjson.gz'), gzipSync(lines(0, 100)).subarray(0, 50))
    const error = await failureOf((await open()).run())
    assert.equal(error.code, 'INPUT_CORRUPT')
    assert.equal(reportOf(error)?.outcome, 'failed')
    assert.equal(reportOf(error)?.written, 1000)
    assert.equal(reportOf(new Error('other')), undefined)
    const damaged = await failureOf((await open({ state: 's2' })).run({ keepGoing: true }))
    assert.equal(damaged.code, 'INPUTS_DAMAGED')
    assert.equal(reportOf(damaged)?.damaged?.length, 1)
  })

  test('says which pipeline does not exist', async (t) => {
    const { folder } = await openProject(t)
    const error = await failureOf(openPipeline('archiv', { folder }))
    assert.equal(error.code, 'PIPELINE_NOT_FOUND')
    assert.match(String(error.hint), /did you mean "archive"/)
    assert.equal((await failureOf(openPipeline(''))).code, 'USAGE')
  })

  test('reports progress, and logs, only to the functions that are given', async (t) => {
    const { open } = await openProject(t, { yaml: archive.replace('path: email', 'path: emial') })
    const seen: Progress[] = []
    const log: string[] = []
    const codes: string[] = []
    const before = listeners()
    await (
      await open()
    ).run({
      onProgress: (progress) => seen.push(progress),
      log: (message, _facts, line) => {
        log.push(message)
        codes.push(`${line.pipeline} ${line.level} ${line.code}`)
      },
    })
    assert.deepEqual(seen.at(-1), { records: 1000, bytes: lines(0, 1000).length, totalBytes: lines(0, 1000).length })
    assert.match(log.join('\n'), /a rule matched nothing/)
    for (const line of ['warn rule.unmatched', 'info object.published', 'info run.ended'])
      assert.ok(
        codes.some((code) => code.endsWith(` ${line}`)),
        codes.join(', '),
      )
    assert.deepEqual(listeners(), before)
  })

  test('a callback that throws ends the run with its error', async (t) => {
    const { open } = await openProject(t)
    const set = { 'transforms[0].rules[0].path': 'emial' }
    for (const name of ['onProgress', 'log'] as const) {
      const error = await failureOf((await open({ set, state: name })).run({ [name]: throwMine }))
      assert.equal(error.code, 'USAGE')
      assert.equal(error.message, `${name} threw an error; see \`cause\``)
    }
  })

  test('an async callback that rejects ends the run with its error', async (t) => {
    const { open } = await openProject(t, { records: 100_000 })
    const late = { onProgress: () => Promise.reject(new Error('mine')) }
    const opened = await open()
    // The only call may be at the end of a fast run.
    const code = await opened.run(late).then(
      () => 'done',
      (error: unknown) => error instanceof SluiceError && error.code,
    )
    assert.ok(code === 'USAGE' || code === 'done', String(code))
  })

  test('options of another type are refused', async (t) => {
    const { open } = await openProject(t)
    for (const option of ['folder', 'state', 'set', 'env']) {
      await assert.rejects(open({ [option]: 5 }), { code: 'USAGE', message: new RegExp(option) })
    }
  })

  test('an error that leaves it holds no secret', async (t) => {
    const yaml = `source: { type: ../source.ts, token: '\${env:TOKEN}' }\nsink: { type: file, path: out }\n`
    const { open, folder } = await openProject(t, { yaml, env: { TOKEN: 'hunter2hunter2' } })
    await writeFile(
      join(folder, 'source.ts'),
      `import { defineSource, Secret } from 'sluice'
       export default defineSource({ summary: '.', repeats: false, fields: { token: Secret({ description: '.' }) },
         create: ({ token }) => ({ async *read() { throw new Error('refused ' + token) } }) })`,
    )
    const error = await failureOf((await open()).run())
    assert.equal(error.code, 'SOURCE_FAILED')
    assert.match(error.message, /refused \*\*\*/)
    assert.doesNotMatch(`${inspect(error)} ${JSON.stringify(reportOf(error))}`, /hunter2/)
  })

  test('several run in one process, and one state has one owner', async (t) => {
    const projects = await Promise.all([openProject(t), openProject(t), openProject(t)])
    const reports = await Promise.all(projects.map(async ({ open }) => (await open()).run()))
    assert.deepEqual(
      reports.map(({ written }) => written),
      [1000, 1000, 1000],
    )
    const [{ open }] = projects
    const writer = (await open()).writable()
    const code = new Promise((resolve) => writer.once('error', (error: SluiceError) => resolve(error.code)))
    const second = (await open()).writable()
    second.once('error', () => undefined)
    const other = new Promise((resolve) => second.once('error', (error: SluiceError) => resolve(error.code)))
    assert.equal(await Promise.race([code, other]), 'STATE_IN_USE')
    writer.destroy()
    second.destroy()
    await Promise.all([closed(writer), closed(second)])
  })
})

describe('check and test', () => {
  test('check returns problems and notes, and throws nothing', async (t) => {
    const { open } = await openProject(t)
    const good = await (await open()).check()
    assert.equal(good.ok, true)
    assert.deepEqual(good.problems, [])
    const bad = await (await open({ set: ['sink.typo=1'] })).check()
    assert.equal(bad.ok, false)
    assert.match(bad.problems[0].message, /typo/)
    const unset = await (await open({ env: {} })).check()
    assert.deepEqual([unset.ok, unset.problems[0]?.severity], [true, 'warning'])
  })

  test('check tries the connections', async (t) => {
    const { open } = await openProject(t)
    const { ok, connections } = await (await open()).check({ connect: true })
    assert.equal(ok, true)
    assert.ok(connections.every(({ error }) => error === undefined))
  })

  test('test returns a result for each test', async (t) => {
    const { open } = await openProject(t)
    const results = await (await open()).test()
    assert.deepEqual([results.passed, results.failed, results.unmatched.length], [0, 1, 0])
    assert.match(results.tests[0].differences.join(), /output differs/)
    assert.equal(results.tests[0].line, 15)
    const yaml = archive.replace("'***'", 'a***@example.com')
    const other = await openProject(t, { yaml })
    const fixed = await (await other.open()).test()
    assert.deepEqual([fixed.passed, fixed.failed], [fixed.tests.length - fixed.failed, fixed.failed])
  })
})

describe('readable', () => {
  test('gives the records of the source after the transforms, each once, from the start each time', async (t) => {
    const { open, folder } = await openProject(t, { env: {} })
    await writeFile(join(folder, 'in/b.ndjson'), lines(500, 1500))
    for (let time = 0; time < 2; time++) {
      const stream = (await open()).readable()
      const text = Buffer.concat(await stream.toArray()).toString()
      assert.deepEqual(idsOf(parseLines(text)), count(1500))
      assert.doesNotMatch(text, /user@/)
      assert.deepEqual(
        [stream.report()?.outcome, stream.report()?.written, stream.report()?.duplicate],
        ['done', 1500, 500],
      )
    }
    assert.deepEqual(await readdir(folder).then((names) => names.includes('.sluice')), false)
  })

  test('reads nothing before it is read, and no faster', async (t) => {
    const { open } = await openProject(t, { records: 400_000 })
    const stream = (await open()).readable()
    await turns()
    assert.equal(stream.report(), undefined)
    const chunks = stream.iterator({ destroyOnReturn: false })
    await chunks.next()
    const first = await whenSteady(() => stream.report()?.bytesIn ?? 0)
    assert.ok(first < 5_000_000, `${first} bytes were read`)
    assert.ok(stream.readableLength < 2_000_000)
    stream.destroy()
    await closed(stream)
  })

  test('ends everything when it is destroyed, and reports how far it came', async (t) => {
    const { open } = await openProject(t, { records: 400_000 })
    const stream = (await open()).readable()
    for await (const _ of stream) break
    await closed(stream)
    const report = stream.report()
    assert.equal(report?.outcome, 'closed')
    assert.ok(report.read < 400_000)
  })

  test('fails with the error of the pipeline', async (t) => {
    const { open } = await openProject(t)
    const invalid = (await open({ set: ['source.path=missing'] })).readable()
    assert.equal((await failureOf(invalid.toArray())).code, 'FILE_NOT_FOUND')
    const unchecked = (await open({ set: ['transforms[0].type=nothing'] })).readable()
    const error = await failureOf(unchecked.toArray())
    assert.equal(error.code, 'CONFIG_INVALID')
    assert.match(String(error.hint), /nothing/)
  })
})

describe('duplex', () => {
  test('sends NDJSON through the transforms', async (t) => {
    const { open } = await openProject(t, { env: {} })
    const stream = (await open({ set: ['source.path=missing'] })).duplex()
    const out = await Readable.from([lines(0, 10), lines(5, 15).slice(0, -1)])
      .compose(stream)
      .toArray()
    const text = Buffer.concat(out).toString()
    assert.deepEqual(idsOf(parseLines(text)), count(15))
    assert.doesNotMatch(text, /user@/)
    assert.equal(stream.report()?.duplicate, 5)
  })

  test('rejects are counted and logged, and the other lines pass', async (t) => {
    const { open } = await openProject(t)
    const log: unknown[] = []
    const stream = (await open()).duplex({ log: (message, { reject, line }) => log.push([message, reject, line]) })
    const out = await Readable.from(['{"id":1}\nnot json\n', '{"id":2}\n']).compose(stream).toArray()
    assert.deepEqual(idsOf(parseLines(Buffer.concat(out).toString())), [1, 2])
    assert.deepEqual(stream.report()?.rejects, { INVALID_JSON: 1 })
    assert.deepEqual(
      log.filter((line) => Array.isArray(line) && line[0] === 'rejected'),
      [['rejected', 'INVALID_JSON', 2]],
    )
  })

  test('a slow reader holds the writer back', async (t) => {
    const { open } = await openProject(t)
    const stream = (await open()).duplex()
    let taken = 0
    const part = 'x'.repeat(60_000)
    const source = Readable.from(
      (function* () {
        for (; taken < 10_000; taken++) yield `{"id":${taken},"text":"${part}"}\n`
      })(),
      { objectMode: false },
    )
    source.pipe(stream)
    await stream.iterator({ destroyOnReturn: false }).next()
    const bytes = await whenSteady(() => taken)
    assert.ok(bytes < 200, `${bytes} parts were taken`)
    stream.destroy()
    source.destroy()
    await closed(stream)
  })
})

describe('writable', () => {
  test('finishes when everything is published', async (t) => {
    const { open, written } = await openProject(t)
    const stream = (await open({ set: ['source.path=missing'] })).writable()
    await pipeline(Readable.from([lines(0, 10), lines(5, 20).slice(0, -1)]), stream)
    assert.deepEqual(idsOf(await written()), count(20))
    const report = stream.report()
    assert.deepEqual(
      [report?.outcome, report?.read, report?.written, report?.duplicate, report?.unpublished.objects],
      ['done', 25, 20, 5, 0],
    )
  })

  test('commit resolves when everything before it is published, and the stream continues', async (t) => {
    const { open, written } = await openProject(t)
    const stream = (await open()).writable()
    stream.write(lines(0, 10))
    stream.write('{"id":10,"email":')
    await stream.commit()
    assert.deepEqual(idsOf(await written()), count(10))
    stream.write('"a"}\n')
    await Promise.all([stream.commit(), stream.commit()])
    assert.deepEqual(idsOf(await written()), count(11))
    await stream.commit()
    stream.end(lines(11, 12))
    await stream.commit()
    assert.deepEqual(idsOf(await written()), count(12))
    assert.equal(stream.report()?.outcome, 'done')
  })

  test('with a low watermark, dedup forgets what can no longer come', async (t) => {
    const yaml = archive.replace('key: [id]', "key: [id, at]\n    time: at\n    within: '1d'")
    const counts: number[] = []
    for (const lowWatermark of [undefined, (): number => Date.parse('2026-01-20T00:00:00Z')]) {
      const { open, folder } = await openProject(t, { yaml })
      const stream = (await open()).writable(lowWatermark && { lowWatermark })
      for (let number = 1; number <= 20; number++) stream.write(eventOf(number))
      await stream.commit()
      stream.write(eventOf(21))
      await stream.commit()
      stream.end(eventOf(21))
      await closed(stream)
      assert.deepEqual([stream.report()?.written, stream.report()?.duplicate], [21, 1])
      counts.push((await readdir(join(folder, '.sluice/archive/dedup'))).length)
    }
    assert.ok(counts[0] >= 21 && counts[1] <= 4, `${counts.join(' and ')} files of dedup keys`)
    const { open } = await openProject(t)
    const invalid = (await open()).writable({ lowWatermark: () => NaN })
    const error = await failureOf(pipeline(Readable.from([lines(0, 1)]), invalid))
    assert.equal(error.code, 'USAGE')
  })

  test('a large part is not copied at once', async (t) => {
    const { open, written } = await openProject(t)
    const stream = (await open()).writable()
    stream.end(Buffer.from(lines(0, 200_000)))
    await closed(stream)
    assert.equal((await written()).length, 200_000)
  })

  test('destroying it gives up what is not committed, and what is written again is recognised', async (t) => {
    const { open, written } = await openProject(t)
    const first = (await open()).writable()
    first.write(lines(0, 10))
    await first.commit()
    first.write(lines(10, 15))
    await new Promise((resolve) => first.write(lines(15, 20), resolve))
    const pending = failureOf(first.commit())
    first.destroy()
    await closed(first)
    assert.equal((await pending).code, 'SINK_CLOSED')
    assert.ok((await written()).length >= 10)
    const second = (await open()).writable()
    await pipeline(Readable.from([lines(0, 30)]), second)
    assert.deepEqual(idsOf(await written()), count(30))
  })

  test('an error upstream commits nothing more', async (t) => {
    const { open, written } = await openProject(t)
    const stream = (await open()).writable()
    const broken = Readable.from(
      (function* () {
        yield lines(0, 10)
        throw new Error('mine')
      })(),
    )
    await assert.rejects(pipeline(broken, stream), /mine/)
    await closed(stream)
    assert.deepEqual(await written(), [])
    await pipeline(Readable.from([lines(0, 10)]), (await open()).writable())
    assert.deepEqual(idsOf(await written()), count(10))
  })

  test('fails with the error of the pipeline, also for a write and a commit that wait', async (t) => {
    const { open, folder } = await openProject(t)
    await writeFile(join(folder, 'blocked'), '')
    const stream = (await open({ set: ['sink.path=blocked'] })).writable()
    const failed = new Promise((resolve) => stream.once('error', resolve))
    stream.write(lines(0, 10))
    const commit = failureOf(stream.commit())
    const error = await failed
    assert.ok(error instanceof SluiceError)
    assert.equal((await commit).code, error.code)
    await closed(stream)
    const invalid = (await open({ set: ['sink.typo=1'] })).writable()
    const write = new Promise((resolve) => invalid.write(lines(0, 1), resolve))
    invalid.once('error', () => undefined)
    const reason = await write
    assert.ok(reason instanceof SluiceError, String(reason))
    assert.equal(reason.code, 'CONFIG_INVALID')
  })

  test('a commit that the end overtakes is published, and the pipeline ends well', async (t) => {
    const { open, written } = await openProject(t)
    const writer = (await open()).writable()
    writer.write(lines(0, 10))
    const committed = writer.commit()
    writer.end(lines(10, 20))
    await committed
    assert.ok((await written()).length >= 10)
    await finished(writer)
    assert.equal((await written()).length, 20)
  })

  test('commit of a stream that has failed rejects with its failure', async (t) => {
    const { open } = await openProject(t)
    const failed = (await open({ set: { 'sink.nope': 1 } })).writable()
    await assert.rejects(finished(failed), { code: 'CONFIG_INVALID' })
    await assert.rejects(failed.commit(), { code: 'CONFIG_INVALID' })
    const destroyed = (await open()).writable()
    destroyed.destroy()
    await assert.rejects(destroyed.commit(), { code: 'SINK_CLOSED' })
  })

  test('half of a character before bytes is an error, and no record without it', async (t) => {
    const { open, written } = await openProject(t)
    const writer = (await open()).writable()
    writer.write('{"id":1,"email":"\ud83d')
    writer.on('error', () => undefined)
    writer.write(Buffer.from('"}\n'))
    await assert.rejects(writer.commit(), { code: 'INPUT_CORRUPT' })
    assert.deepEqual(await written(), [])
  })

  test('a lowWatermark that throws is a mistake of the program', async (t) => {
    const { open } = await openProject(t)
    const writer = (await open()).writable({ lowWatermark: () => assert.fail('mine') })
    writer.end(lines(0, 1))
    await assert.rejects(finished(writer), { code: 'USAGE', message: /lowWatermark threw/ })
  })

  test('commit of a stream sink is refused', async (t) => {
    const { open, folder } = await openProject(t, {
      yaml: archive
        .replace(/type: file\n {2}path: \$/, 'type: ../sink.ts\nxpath: $')
        .replace(/sink:[^]*tests/, 'sink: { type: ../sink.ts }\ntests'),
    })
    await writeFile(
      join(folder, 'sink.ts'),
      `import { defineSink } from 'sluice'
       export default defineSink({ summary: '.', delivers: 'stream', fields: {},
         create: () => ({ write: async () => {}, flush: async () => {} }) })`,
    )
    const stream = (await open()).writable()
    stream.write(lines(0, 1))
    const error = await failureOf(stream.commit())
    assert.equal(error.code, 'UNSUPPORTED')
    stream.end()
    await closed(stream)
    assert.equal(stream.report()?.written, 1)
  })

  test('holds the writer back while the sink is slow', async (t) => {
    const { open, folder } = await openProject(t, {
      yaml: archive.replace(/sink:[^]*tests/, 'sink: { type: ../sink.ts }\ntests'),
    })
    await writeFile(
      join(folder, 'sink.ts'),
      `import { defineSink } from 'sluice'
       export default defineSink({ summary: '.', delivers: 'stream', fields: {},
         create: () => ({ write: (bytes, signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))), flush: async () => {} }) })`,
    )
    const stream = (await open()).writable()
    let taken = 0
    const source = Readable.from(
      (function* () {
        for (; taken < 1000; taken++) yield lines(taken * 1000, (taken + 1) * 1000)
      })(),
      { objectMode: false },
    )
    source.pipe(stream)
    const parts = await whenSteady(() => taken)
    assert.ok(parts < 100, `${parts} parts were taken`)
    source.destroy()
    stream.destroy()
    await closed(stream)
  })

  test('a transform of the program stands before it', async (t) => {
    const { open, written } = await openProject(t)
    const source = (await open()).readable()
    const through = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        done(null, chunk)
      },
    })
    await pipeline(source, through, (await open()).writable())
    assert.deepEqual(idsOf(await written()), count(1000))
  })
})

/** An event on a day of January. */
function eventOf(day: number): string {
  return `{"id":${day},"at":"2026-01-${String(day).padStart(2, '0')}T00:00:00Z"}\n`
}

function throwMine(): never {
  throw new Error('mine')
}

/** What the process listens to, and what is written by a run must not change. */
function listeners(): Record<string, number> {
  const names = ['SIGINT', 'SIGTERM', 'uncaughtException', 'unhandledRejection', 'exit', 'warning']
  return Object.fromEntries(names.map((name) => [name, process.listenerCount(name)]))
}

async function turns(number = 50): Promise<void> {
  for (let turn = 0; turn < number; turn++) await setImmediate()
}

/** A count when it has stopped growing. */
async function whenSteady(read: () => number): Promise<number> {
  for (let before = -1; ;) {
    await setTimeout(50)
    const now = read()
    if (now === before && now > 0) return now
    before = now
  }
}

async function closed(stream: { closed: boolean; once(event: 'close', listener: () => void): unknown }): Promise<void> {
  if (!stream.closed) await new Promise<void>((resolve) => stream.once('close', resolve))
}
