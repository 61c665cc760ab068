import assert from 'node:assert/strict'
import diagnosticsChannel from 'node:diagnostics_channel'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { setImmediate } from 'node:timers/promises'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { eventNames, openPipeline, sink, source, subscribe, toBatches, transform } from '../../src/index.ts'
import type { EventName, Events, SinkWritable } from '../../src/index.ts'
import { startBucketServer } from '../support/bucket-server.ts'
import { openWorkspace } from '../support/command.ts'
import { makeProject } from '../support/config-project.ts'

const archive = `source: { type: file, path: in.ndjson }
transforms:
  - { type: filter, keep: { kind: a } }
  - { type: dedup, key: [id] }
sink: { type: file, path: out, key: all, compression: none }
`

/** Every second record is of kind b, and one line is broken. */
function lines(count: number): string {
  const records = Array.from({ length: count }, (_, id) => `{"id":${id},"kind":"${id % 2 === 0 ? 'a' : 'b'}"}\n`)
  return `${records.join('')}{"id":\n`
}

async function openProject(t: TestContext, files: { readonly [path: string]: string } = {}) {
  const folder = await makeProject(t, { 'pipelines/p.yaml': archive, 'in.ndjson': lines(100), ...files })
  return { folder, open: (name = 'p') => openPipeline(name, { folder }) }
}

/** The messages of a channel, as they come. */
function collect<Name extends EventName>(t: TestContext, name: Name, filter = {}): Events[Name][] {
  const messages: Events[Name][] = []
  t.after(subscribe(name, (message) => void messages.push(message), filter))
  return messages
}

function fail(): never {
  throw new Error('no disk for metrics')
}

function listenedTo(): readonly string[] {
  return eventNames.filter((name) => diagnosticsChannel.channel(name).hasSubscribers)
}

describe('subscribe', () => {
  test('gets the messages of one pipeline, or of one run, of several in a process', async (t) => {
    const { folder, open } = await openProject(t, { 'pipelines/q.yaml': archive.replace('path: out', 'path: other') })
    const ended = collect(t, 'sluice:run:end')
    const ofQ = collect(t, 'sluice:source:chunk', { pipeline: 'q' })
    const [p, q] = await Promise.all([(await open('p')).run(), (await openPipeline('q', { folder })).run()])
    assert.deepEqual(ended.map(({ pipeline: name }) => name).toSorted(), ['p', 'q'])
    assert.deepEqual(
      ofQ.map(({ pipeline: name, partition, records }) => [name, partition.split(':')[0], records]),
      [['q', 'file', 101]],
    )
    assert.equal(new Set(ended.map(({ run }) => run)).size, 2)
    assert.deepEqual([p.written, q.written], [50, 50])
    await (await open('p')).run()
    assert.equal(new Set(ended.map(({ run }) => run)).size, 3)
  })

  test('a listener that throws, or whose promise rejects, does not end a run: one warning each', async (t) => {
    const { open } = await openProject(t)
    const warnings: (Error & { code?: string })[] = []
    const onWarning = (warning: Error): void => void warnings.push(warning)
    process.on('warning', onWarning)
    t.after(() => process.off('warning', onWarning))
    for (const name of eventNames) t.after(subscribe(name, fail))
    t.after(subscribe('sluice:stage:batch', () => Promise.reject(new Error('no network for metrics'))))
    const { outcome, written } = await (await open()).run()
    assert.deepEqual([outcome, written], ['done', 50])
    await setImmediate()
    const own = warnings.filter(({ code }) => code === 'SLUICE_SUBSCRIBER').map(({ message }) => message)
    assert.ok(own.includes('a subscriber of sluice:epoch:commit has failed: no disk for metrics'), own.join('\n'))
    assert.ok(own.includes('a subscriber of sluice:stage:batch has failed: no network for metrics'))
    assert.equal(new Set(own).size, own.length)
  })

  test('a channel that does not exist is refused, with the names of those that do', () => {
    // @ts-expect-error -- a misspelt name
    assert.throws(() => subscribe('sluice:epoch:commits', () => undefined), {
      code: 'USAGE',
      message: 'subscribe: there is no channel "sluice:epoch:commits"',
      hint: /sluice:epoch:commit, /,
    })
    // @ts-expect-error -- no listener
    assert.throws(() => subscribe('sluice:epoch:commit'), { code: 'USAGE' })
  })
})

test('node:diagnostics_channel gets the same messages by name', async (t) => {
  const { open } = await openProject(t)
  const seen: unknown[] = []
  const listener = (message: unknown): void => void seen.push(message)
  diagnosticsChannel.subscribe('sluice:run:start', listener)
  t.after(() => diagnosticsChannel.unsubscribe('sluice:run:start', listener))
  const typed = collect(t, 'sluice:run:start')
  await (await open()).run()
  assert.deepEqual(seen, typed)
  assert.equal(typed[0].version, 1)
})

test('streams of a program publish once, under the name of their state', async (t) => {
  const { folder } = await openProject(t)
  const started = collect(t, 'sluice:run:start')
  const chunks = collect(t, 'sluice:source:chunk')
  const batches = collect(t, 'sluice:stage:batch')
  const delivered = collect(t, 'sluice:delivery:batch')
  const ended = collect(t, 'sluice:run:end')
  const to = sink({ type: 'file', path: join(folder, 'out'), key: 'all', state: join(folder, '.sluice', 'mine') })
  await pipeline(source({ type: 'file', path: join(folder, 'in.ndjson') }), transform(byKind()), transform(byId()), to)
  assert.deepEqual(
    started.map(({ pipeline: name }) => name),
    ['mine'],
  )
  assert.deepEqual(
    chunks.map(({ records }) => records),
    [101],
  )
  assert.deepEqual(
    batches.map(({ stage, position, recordsIn, recordsOut, dropped }) => [
      stage,
      position,
      recordsIn,
      recordsOut,
      dropped,
    ]),
    [
      ['filter', 0, 100, 50, 50],
      ['dedup', 1, 50, 50, 0],
    ],
  )
  assert.deepEqual(
    delivered.map(({ records, written, dropped, rejected }) => [records, written, dropped, rejected]),
    [[50, 50, 50, 1]],
  )
  assert.deepEqual(
    ended.map(({ outcome, report }) => [outcome, report?.written]),
    [['done', to.report()?.written]],
  )
})

test('records that a program writes are counted as they are taken', async (t) => {
  const { folder } = await openProject(t)
  const chunks = collect(t, 'sluice:source:chunk')
  const batches = toBatches()
  const to = sink({ type: 'file', path: join(folder, 'out'), key: 'all', state: join(folder, '.sluice', 'w') })
  const done = pipeline(batches, transform(byKind()), to)
  // The second write completes a line.
  for (const text of ['{"id":1,"kind":"a"}\n{"id":2', ',"kind":"a"}\n']) batches.write(text)
  batches.end()
  await done
  const report = to.report()
  const sum = (what: 'records' | 'bytes'): number => chunks.reduce((total, chunk) => total + chunk[what], 0)
  assert.deepEqual([sum('records'), sum('bytes')], [report?.read, report?.bytesIn])
  assert.deepEqual(new Set(chunks.map(({ partition }) => partition)), new Set(['written']))
})

test('a run that cannot begin ends all the same, with its code', async (t) => {
  const { folder } = await openProject(t)
  const started = collect(t, 'sluice:run:start')
  const ended = collect(t, 'sluice:run:end')
  // A file where the state folder should be.
  await writeFile(join(folder, '.sluice'), '')
  await assert.rejects((await openPipeline('p', { folder })).run())
  assert.equal(started.length, 1)
  assert.deepEqual(
    ended.map(({ outcome, report }) => [outcome, report]),
    [['failed', undefined]],
  )
  assert.notEqual(ended[0].code, undefined)
})

test('nobody listens any more after runs that end, fail, throw in a callback or never begin', async (t) => {
  const { folder, open } = await openProject(t)
  const options = { log: () => undefined, onProgress: () => undefined }
  assert.deepEqual(listenedTo(), [])
  await (await open()).run(options)
  await assert.rejects((await open()).run({ ...options, onProgress: () => assert.fail('no') }), { code: 'USAGE' })
  await assert.rejects((await openPipeline('p', { folder, set: ['sink.path=7'] })).run(options))
  const part = (await open()).readable({ log: options.log })
  part.destroy()
  await once(part, 'close')
  const unread = source({ type: 'file', path: join(folder, 'in.ndjson') }, { log: options.log })
  unread.destroy()
  await once(unread, 'close')
  const read = source({ type: 'file', path: join(folder, 'in.ndjson') }, { log: options.log })
  read.read()
  await setImmediate()
  read.destroy()
  await once(read, 'close')
  const failing: SinkWritable = sink({ type: 'file', path: 7, key: 'all', state: join(folder, '.sluice', 'f') })
  await assert.rejects(
    pipeline(source({ type: 'file', path: join(folder, 'in.ndjson') }, { log: options.log }), failing),
    { code: 'CONFIG_INVALID' },
  )
  await setImmediate()
  assert.deepEqual(listenedTo(), [])
})

test('messages hide secrets, and have no content of records', async (t) => {
  const canary = 'canary-4f1d9a'
  const { folder } = await openProject(t, {
    'in.ndjson': `{"id":"${canary}"}\n{"id":"${canary}"\n`,
    'parts/chatty.js': `import { defineSource, Secret } from 'sluice'
export default defineSource({
  summary: 'Says too much.', repeats: false, fields: { key: Secret({ description: 'The key.' }) }, examples: [],
  create: ({ key }) => ({
    async *read({ note, announce }) {
      note('my key is ' + key, { key })
      announce({ type: 'wait', partition: key, reason: 'rate-limit', wait: 1 })
      announce({ type: 'retry', partition: 'a', code: key, attempt: 1, attempts: 2, wait: 1, reason: 'backoff' })
      yield { records: [{ id: '${canary}' }], partition: key, position: 1 }
    },
  }),
})
`,
    'pipelines/p.yaml': `source: { type: ../parts/chatty.js, key: '\${env:KEY}' }
transforms: [{ type: dedup, key: [id] }]
sink: { type: file, path: out, key: all }
`,
  })
  const messages: unknown[] = []
  for (const name of eventNames) t.after(subscribe(name, (message) => void messages.push(message)))
  await (await openPipeline('p', { folder, env: { KEY: 'a-very-secret-key' } })).run()
  const text = JSON.stringify(messages)
  assert.match(text, /my key is \*\*\*/)
  assert.match(text, /"partition":"chatty:\*\*\*"|"reason":"rate-limit"/)
  assert.doesNotMatch(text, /a-very-secret-key/)
  assert.doesNotMatch(text, new RegExp(canary))
})

test('a full outbox is published, and that it has space again', async (t) => {
  const server = await startBucketServer(t, 'audit')
  const { open } = await openProject(t, {
    'in.ndjson': Array.from({ length: 40 }, (_, id) => `{"id":${id},"text":"${'x'.repeat(60_000)}"}\n`).join(''),
    'pipelines/p.yaml': `source: { type: file, path: in.ndjson }
sink:
  { type: s3, bucket: audit, endpoint: '${server.endpoint}', region: ${server.region}, forcePathStyle: true,
    key: all, compression: none, roll: { maxBytes: 64KiB }, outbox: { maxBytes: 128KiB } }
`,
  })
  const released = new AbortController()
  const until = once(released.signal, 'abort')
  server.faults.add({ kind: 'hold', until, operation: 'PutObject', times: 100 })
  const full = collect(t, 'sluice:outbox:full')
  const free = collect(t, 'sluice:outbox:free')
  t.after(subscribe('sluice:outbox:full', () => released.abort()))
  const { outcome } = await (await open()).run()
  assert.equal(outcome, 'done')
  assert.ok(full.length > 0)
  assert.deepEqual([full[0].sink, full[0].maxBytes], ['sink', 128 << 10])
  assert.equal(free.length, full.length)
})

test('a divided backfill publishes its plan, its shards and their commits in the coordinator', async (t) => {
  const workspace = await openWorkspace(t)
  for (const name of ['a', 'b', 'c'])
    await workspace.write(`in/${name}.ndjson`, lines(100).replaceAll('"id":', `"id":1${name.charCodeAt(0)}`))
  await workspace.write('pipelines/p.yaml', archive)
  await workspace.write(
    'watch.mjs',
    `import { subscribe } from 'node:diagnostics_channel'
import { appendFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'
if (isMainThread)
  for (const name of ${JSON.stringify(eventNames)})
    subscribe(name, (message) => appendFileSync('messages.ndjson', JSON.stringify({ name, ...message }) + '\\n'))
`,
  )
  const report = await workspace.report(['backfill', 'p', 'in', '--workers', '2', '--shard-size', '1KiB'], {
    node: ['--import', workspace.path('watch.mjs')],
  })
  const text = await readFile(workspace.path('messages.ndjson'), 'utf8')
  const messages = text
    .trim()
    .split('\n')
    .map((line): BackfillMessage => JSON.parse(line))
  const of = (name: string) => messages.filter((message) => message.name === name)
  assert.equal(new Set(messages.map(({ run }) => run)).size, 1)
  assert.equal(of('sluice:run:start').length, 1)
  assert.equal(of('sluice:shard:plan').length, 1)
  assert.ok((report.shards?.committed ?? 0) >= 3)
  for (const state of ['started', 'executed', 'ended', 'committed'])
    assert.ok(of('sluice:shard:change').filter((change) => change.state === state).length >= 3, state)
  assert.ok(of('sluice:shard:progress').length >= 3)
  const commits = of('sluice:epoch:commit')
  assert.equal(
    commits.reduce((sum, { read = 0 }) => sum + read, 0),
    report.read,
  )
  assert.equal(new Set(commits.map(({ shard }) => shard)).size, report.shards?.committed)
  assert.deepEqual(
    of('sluice:epoch:open').map(({ shard }) => shard),
    commits.map(({ shard }) => shard),
  )
  const work = of('sluice:shard:work')
  const stages = work.flatMap((one) => one.stages ?? [])
  assert.equal(
    work.flatMap(({ sources = [] }) => sources).reduce((sum, { records }) => sum + records, 0),
    report.read,
  )
  assert.equal(
    stages.filter(({ stage }) => stage === 'filter').reduce((sum, { dropped }) => sum + dropped, 0),
    report.dropped['filter'],
  )
  assert.ok(stages.every(({ milliseconds, bytesIn }) => milliseconds > 0 && bytesIn > 0))
  assert.equal(
    work.reduce((sum, { delivery }) => sum + (delivery?.written ?? 0), 0),
    report.written,
  )
  assert.equal(of('sluice:object:publish').length, report.objects.length)
  assert.equal(of('sluice:run:end').length, 1)
})

interface BackfillMessage extends Partial<Omit<Events['sluice:shard:work'], 'run'>> {
  readonly name: string
  readonly run: string
  readonly state?: string
  readonly read?: number
}

function byKind() {
  return { type: 'filter', keep: { kind: 'a' } }
}

function byId() {
  return { type: 'dedup', key: ['id'] }
}
