import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { openWorkspace } from '../support/command.ts'
import type { Workspace } from '../support/command.ts'
import { openEvents } from '../delivery/support.ts'
import { startServer } from '../sources/http/read-source.ts'
import { loadPipeline } from '../../src/config/load.ts'
import type { CheckedPipeline } from '../../src/config/pipeline.ts'
import type { Batch } from '../../src/record/batch.ts'
import { endBatch, openBatches } from '../../src/record/open-batches.ts'
import { LineSplitter } from '../../src/record/lines/line-splitter.ts'
import { Paths } from '../../src/record/paths/path.ts'
import type { Record } from '../../src/record/author/record.ts'
import { release, acquireBuffer, acquireWords, CHUNK_BYTES } from '../../src/record/chunk-memory.ts'
import { spelledLines } from '../../src/record/json/spelled.ts'
import { defaultLimits } from '../../src/record/scan.ts'
import { previewPipeline } from '../../src/inspect/preview.ts'
import { RunEvents } from '../../src/observe/bus/run-events.ts'
import { runPipeline } from '../../src/runtime/run.ts'
import type { RunResult } from '../../src/runtime/run.ts'
import { openStreamDelivery } from '../../src/delivery/stream.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

/** Enough for 24 runs, three times as many as are under way at once. */
const COUNT = 24_000
const EVENTS = Array.from({ length: COUNT }, (_, at) => eventAt(at))
const INPUT = EVENTS.map((event) => `${JSON.stringify(event)}\n`).join('')
const SCHEMA = JSON.stringify({ properties: { odd: { type: 'boolean' } } })

test('the pool hands out released memory once more, and never memory that is not its own', () => {
  const acquired = Array.from({ length: 8 }, acquireBuffer)
  for (const buffer of acquired) release(buffer.subarray(10, 20))
  for (const buffer of acquired) release(buffer)
  release(Buffer.allocUnsafeSlow(CHUNK_BYTES))
  const again = Array.from({ length: 9 }, acquireBuffer)
  const memory = new Set(acquired.map(({ buffer }) => buffer))
  assert.equal(again.filter(({ buffer }) => memory.delete(buffer)).length, 8)
  assert.equal(new Set(again.map(({ buffer }) => buffer)).size, 9)
})

test('an index uses the same pool, unless it is very small or too large', () => {
  const words = CHUNK_BYTES / 4
  const bytes = acquireBuffer()
  release(bytes)
  const few = acquireWords(100)
  const many = acquireWords(words + 1)
  const acquired = acquireWords(words / 2)
  assert.deepEqual([few.length, many.length, acquired.length], [100, words + 1, words / 2])
  assert.equal(acquired.buffer, bytes.buffer)
  for (const own of [few, many]) {
    assert.ok(own.every((word) => word === 0))
    release(own)
    assert.notEqual(acquireBuffer().buffer, own.buffer)
  }
  release(acquired.subarray(10, 20))
  assert.equal(acquireBuffer().buffer, bytes.buffer)
})

test('chunks reuse released memory, and hold nothing of its old content', () => {
  const framer = new LineSplitter({ maxLine: 1 << 20 })
  const line = Buffer.from(`${'x'.repeat(999)}\n`)
  const memory = new Set<ArrayBufferLike>()
  let runs = 0
  for (let at = 0; at < 20_000; at++) {
    for (const { bytes } of framer.push(line)) {
      runs++
      memory.add(bytes.buffer)
      assert.ok(bytes.every((byte, place) => byte === line[place % line.length]))
      bytes.fill('~')
      release(bytes)
    }
  }
  assert.ok(runs > 30 && memory.size <= 10, `${runs} runs in ${memory.size} buffers`)
})

for (const source of ['ndjson', 'array', 'http'] as const) {
  test(`built-in stages and sinks keep nothing of a written batch: ${source}`, async (t) => {
    const workspace = await openWorkspace(t)
    await workspace.write('schema.json', SCHEMA)
    const { report } = await run(
      workspace,
      `source: ${await inputFor(t, workspace, source)}
transforms:
  - { type: validate, schema: ../schema.json }
  - type: redact
    rules:
      - { path: address, action: hmac, key: a-key-of-twenty-bytes }
      - { path: '**.password', action: drop }
  - { type: filter, drop: { service: test } }
  - { type: dedup, key: [id, time], time: time }
sink: { type: file, path: out, key: 'day={record.time:yyyy-MM-dd}' }
rejects: { type: file, path: refused, key: all, compression: none }
allowRepeats: true
`,
    )
    assert.equal(report.read, COUNT)
    const written = await objectsIn(workspace.path('out'))
    const kept = EVENTS.filter(({ odd, service }, at) => odd === true && service === 'live' && !isTwin(at))
    sameLines(
      written.map((line) => line.replace(/hmac:[0-9a-f]{32}/, 'hidden')).toSorted(),
      kept.map((event) => JSON.stringify({ ...event, address: 'hidden', inner: {} })).toSorted(),
    )
    const refused = await objectsIn(workspace.path('refused'))
    sameLines(
      refused.map((line) => /"code":"(\w+)".*"line":(\d+),.*"text":"(.*)"/.exec(line)?.slice(1).join() ?? line),
      EVENTS.flatMap(({ odd, text }, at) => (odd === true || isTwin(at) ? [] : [`SCHEMA_VIOLATION,${at + 1},${text}`])),
    )
  })
}

test('rewritten records of a built-in stage own their memory', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('schema.json', SCHEMA)
  await run(
    workspace,
    `source: ${await inputFor(t, workspace, 'ndjson')}
transforms: [{ type: validate, schema: ../schema.json, mode: tag }]
sink: { type: file, path: out, key: all, compression: none }
`,
  )
  const tag = ',"_schema_violation":"/odd must be boolean"}'
  sameLines(
    await objectsIn(workspace.path('out')),
    EVENTS.map((event) => JSON.stringify(event)).map((line, at) =>
      EVENTS[at].odd === true ? line : line.slice(0, -1) + tag,
    ),
  )
})

for (const kind of ['objects', 'stream'] as const) {
  test(`the memory of a split chunk is released with its last batch: ${kind}`, async (t) => {
    const base = await temporaryFolder(t)
    const written: string[] = []
    const write = (bytes: Buffer) => Promise.resolve(void written.push(...bytes.toString().trimEnd().split('\n')))
    const stream = {
      sink: { write, flush: () => Promise.resolve() },
      note: () => undefined,
      releasesBatches: true,
      reusesOutput: true,
    }
    const sink = { compression: 'none' } as const
    const delivery =
      kind === 'objects' ? await openEvents(t, { base, sink, releasesBatches: true }) : openStreamDelivery(stream)

    // Four times as many lines as the index of one batch holds.
    const lines = Array.from({ length: 60_000 }, (_, at) => `{"a":${at % 10}}`)
    const bytes = acquireBuffer()
    const end = bytes.write(`${lines.join('\n')}\n`)
    const paths = new Paths()
    const chunks = openBatches(
      { bytes: bytes.subarray(0, end) },
      { partition: '', number: 0, paths, limits: defaultLimits },
    )
    assert.ok(chunks.length > 2)
    const writable = delivery.writable()
    for (const chunk of [...chunks, endBatch({ kind: 'done' }, { paths, limits: defaultLimits })]) {
      await new Promise((resolve) => writable.write(chunk, resolve))
      overwriteFree()
    }
    await finished(writable.end())
    sameLines(kind === 'objects' ? await objectsIn(join(base, 'out')) : written, lines)
    assert.equal(bytes.toString('utf8', 0, 8), '~~~~~~~~')
  })
}

test('custom code may keep records, batches and objects until the end of the run', async (t) => {
  const workspace = await openWorkspace(t)
  const kept = { records: new Array<Record>(), batches: new Array<Batch>(), things: new Array<object>() }
  Reflect.set(globalThis, 'kept', kept)
  t.after(() => Reflect.deleteProperty(globalThis, 'kept'))
  await workspace.write(
    'pipelines/record.mjs',
    'export default (record) => { kept.records.push(record); return record }',
  )
  await workspace.write(
    'pipelines/batch.mjs',
    `import { defineTransform } from 'sluice'
    const batch = (batch) => { kept.batches.push(batch) }
    export default defineTransform({ summary: 'Keeps batches.', fields: {}, create: () => ({ batch }) })`,
  )
  await workspace.write(
    'pipelines/duplex.mjs',
    `import { Transform } from 'node:stream'
    import { defineTransform } from 'sluice'
    const transform = (thing, _, done) => { kept.things.push(thing); done(null, thing) }
    const duplex = () => new Transform({ objectMode: true, transform })
    export default defineTransform({ summary: 'Keeps objects.', fields: {}, create: () => ({ duplex }) })`,
  )
  for (const stage of ['record', 'batch', 'duplex']) {
    const { report } = await run(
      workspace,
      `source: ${await inputFor(t, workspace, 'ndjson')}
transforms: [{ type: ./${stage}.mjs }]
sink: { type: file, path: out-${stage}, key: all }
`,
    )
    assert.equal(report.written, COUNT)
  }
  assert.ok(kept.batches.length > 16)
  assert.ok(kept.batches.map(({ bytes }) => bytes.toString()).join('') === INPUT)
  const lines = INPUT.trimEnd().split('\n')
  sameLines(
    kept.records.map((record) => JSON.stringify(record.value)),
    lines,
  )
  sameLines(
    kept.things.map((thing) => JSON.stringify(thing)),
    lines,
  )
})

test('a custom stream sink may keep the bytes of its writes', async (t) => {
  const workspace = await openWorkspace(t)
  const kept: Buffer[] = []
  Reflect.set(globalThis, 'kept', kept)
  t.after(() => Reflect.deleteProperty(globalThis, 'kept'))
  await workspace.write(
    'pipelines/sink.mjs',
    `import { defineSink } from 'sluice'
    const write = async (bytes) => { kept.push(bytes) }
    export default defineSink({ summary: 'Keeps.', delivers: 'stream', fields: {}, create: () => ({ write, async flush() {} }) })`,
  )
  await run(workspace, `source: ${await inputFor(t, workspace, 'ndjson')}\nsink: { type: ./sink.mjs }\n`)
  assert.ok(Buffer.concat(kept).toString() === INPUT)
})

test('standard output gets every byte', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write(
    'pipelines/p.yaml',
    `source: ${await inputFor(t, workspace, 'ndjson')}\nsink: { type: stdout }\n`,
  )
  const { code, stdout, stderr } = await workspace.sluice(['run', 'p'])
  assert.equal(code, 0, stderr)
  assert.ok(stdout === INPUT)
})

test('a preview shows the records of the right batch', async (t) => {
  const workspace = await openWorkspace(t)
  const pipeline = await load(workspace, `source: ${await inputFor(t, workspace, 'ndjson')}\nsink: { type: stdout }\n`)
  const previewed = await overwriting(async () => {
    const shown: string[] = []
    for await (const { after } of previewPipeline(pipeline, COUNT)) shown.push(after.flatMap(spelledLines).join('\n'))
    return shown
  })
  sameLines(
    previewed,
    EVENTS.map((event) => JSON.stringify(event, undefined, 2)),
  )
})

/** Every fifth event is the one before once more. */
function isTwin(at: number): boolean {
  return at % 5 === 4
}

function eventAt(number: number) {
  const at = isTwin(number) ? number - 1 : number
  return {
    id: `event-${at}`,
    time: new Date(Date.UTC(2026, 0, 1) + at * 10_000).toISOString(),
    odd: at % 7 === 0 ? 'no' : true,
    service: at % 11 === 0 ? 'test' : 'live',
    address: `10.0.${at >> 8}.${at & 255}`,
    inner: { password: `hunter${at}` },
    text: `${at} `.repeat(60),
  }
}

/** Of the first that differ only those are told. */
function sameLines(actual: readonly string[], expected: readonly string[]): void {
  assert.equal(actual.length, expected.length)
  for (const [at, line] of expected.entries()) if (actual[at] !== line) assert.equal(actual[at], line, `line ${at + 1}`)
}

/** The source of these events, as a pipeline file has it. */
async function inputFor(t: TestContext, workspace: Workspace, source: 'ndjson' | 'array' | 'http'): Promise<string> {
  if (source === 'ndjson') return JSON.stringify({ type: 'file', path: await workspace.write('input.ndjson', INPUT) })
  const array = `[${INPUT.trimEnd().replaceAll('\n', ',')}]`
  if (source === 'array')
    return JSON.stringify({ type: 'file', path: await workspace.write('input.json.gz', gzipSync(array)) })
  const server = await startServer(t, (_request, response) => response.end(`{"data":${array}}`))
  return JSON.stringify({ type: 'http', request: { url: `${server.origin}/events` }, records: 'data' })
}

async function load(workspace: Workspace, text: string): Promise<CheckedPipeline> {
  const path = await workspace.write('pipelines/p.yaml', text)
  const { pipeline, problems } = await loadPipeline(path, { root: workspace.folder, mode: 'run' })
  assert.ok(pipeline, JSON.stringify(problems))
  return pipeline
}

async function run(workspace: Workspace, text: string): Promise<RunResult> {
  // Folders of sinks are relative to the working directory.
  const pipeline = await load(workspace, text.replaceAll(/path: (out[-\w]*|refused)/g, `path: ${workspace.folder}/$1`))
  const result = await overwriting(() =>
    runPipeline({
      pipeline,
      stateFolder: workspace.path('.sluice', String(states++)),
      follow: false,
      stop: new AbortController().signal,
      events: new RunEvents(),
    }),
  )
  assert.equal(result.error, undefined)
  return result
}

let states = 0

/**
 * Whatever is given back meanwhile is overwritten at once, so that nobody can read what was there.
 */
async function overwriting<Result>(action: () => Promise<Result>): Promise<Result> {
  let immediate = setImmediate(function overwrite() {
    overwriteFree()
    immediate = setImmediate(overwrite)
  })
  try {
    return await action()
  } finally {
    clearImmediate(immediate)
  }
}

/** One less than are kept at most, so that there is a place for one that is given back. */
function overwriteFree(): void {
  const buffers = Array.from({ length: 7 }, acquireBuffer)
  for (const buffer of buffers) release(buffer.fill('~'))
}

/** The lines of all objects in a folder, in the order of their names. */
async function objectsIn(folder: string): Promise<string[]> {
  const names = (await readdir(folder, { recursive: true })).filter((name) => /\.ndjson(\.gz)?$/.test(name))
  const lines: string[] = []
  for (const name of names.toSorted()) {
    const bytes = await readFile(join(folder, name))
    lines.push(...(name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString().trimEnd().split('\n'))
  }
  return lines
}
