import assert from 'node:assert/strict'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { after, describe, test } from 'node:test'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { openDatabase } from '../../../src/delivery/state/database.ts'
import type { Database } from '../../../src/delivery/state/database.ts'
import type { ObjectSink } from '../../../src/component.ts'
import { SluiceError } from '../../../src/errors.ts'
import { runDuplex } from '../../../src/runtime/duplex-stage.ts'
import { createS3Client } from '../../../src/s3/client.ts'
import { events, lines as linesOf, openEvents, readIds, rollWith, stream } from '../../delivery/support.ts'
import { BUCKET, createSink, startStore } from '../../sinks/s3/support.ts'
import { seededRandom } from './support/seed.ts'
import { createRandom } from './support/random.ts'
import { chains, findFailure, measure } from './simulation/explore.ts'
import { checkOutcome } from './simulation/check-outcome.ts'
import { Process } from './simulation/process.ts'
import { lines, pages } from './simulation/workload.ts'
import { simulateRun, stateFolder, Environment } from './simulation/world.ts'
import type { PlantedDefect } from './simulation/world.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { RunEvents } from '../../../src/observe/bus/run-events.ts'
import { listen } from '../../../src/observe/bus/subscribe.ts'

const { seed } = seededRandom('scenarios')
const DEDUP = { stage: 'dedup', memory: 64 << 20 }
const KEY = { dedupKey: ['id', 'timestamp'], dedupTime: 'timestamp' }

const folder = stateFolder(await temporaryFolder({ after }))
await mkdir(folder)

describe('every record is written exactly once despite', () => {
  test('a stage that swallows a batch', async () => {
    const environment = new Environment()
    let batches = 0
    const defect: PlantedDefect = { name: 'a lost batch', stage: (batch) => (++batches === 5 ? [] : [batch]) }
    const workload = { ...pages, failsAt: Infinity }
    const error = await simulateRun({ environment, process: new Process(), workload, folder, defect })
    assert.ok(error instanceof SluiceError && error.code === 'LEDGER_MISMATCH', String(error))
    assert.equal(await simulateRun({ environment, process: new Process(), workload, folder }), undefined)
    assert.deepEqual(checkOutcome(environment, workload), [])
  })

  test('a Duplex that holds 100 records until its end', async () => {
    const defect: PlantedDefect = {
      name: 'a transform that holds records back',
      stage: (batch) =>
        batch.end || batch.count === 0 ? [batch] : runDuplex(batch, { duplex: holdAll }, { stage: 'held' }),
    }
    const options = { workload: { ...lines, split: false }, folder, defect }
    const { problems, operations } = await measure(options)
    assert.deepEqual(problems, [])
    assert.equal(await findFailure(options, chains(40, operations[0].length, seed)), undefined)
  })

  test('the end of an epoch near a split batch', async () => {
    const environment = new Environment()
    const workload = { ...lines, failsAt: Infinity }
    assert.equal(await simulateRun({ environment, process: new Process(), workload, folder }), undefined)
    const epochs = new Map<string, Set<string>>()
    for (const [name, { bytes }] of environment.store.objects) {
      const epoch = /-(\d{8})-\d{3}-/.exec(name)?.[1] ?? ''
      for (const [, page] of bytes.toString().matchAll(/"id":"a-(\d+)-/g)) {
        epochs.set(page, (epochs.get(page) ?? new Set()).add(epoch))
      }
    }
    assert.equal(epochs.size, 14)
    assert.ok(new Set([...epochs.values()].flatMap((of) => [...of])).size > 3, 'there were several epochs')
    for (const [page, of] of epochs) assert.equal(of.size, 1, `page ${page} is in ${of.size} epochs`)
  })

  test('a duplicate that is rejected, before or after the other copies', async (t) => {
    const [event] = events(1, 2)
    for (const rejected of [0, 1, 2]) {
      const base = await temporaryFolder(t)
      const commit = await openEvents(t, { base, dedup: DEDUP, sink: { roll: rollWith({ maxRecords: 1 }) } })
      const chunks = [1, 2, 3].map((position) => ({ bytes: linesOf(event), position }))
      await stream({
        commit,
        chunks,
        ...KEY,
        stage(batch) {
          if (batch.number === rejected) batch.reject(0, 'ODD', 'validate')
          return batch
        },
      })
      const { written, rejected: refused, duplicate } = commit.totals()
      assert.deepEqual([written, refused, duplicate], [1, 1, 1], `copy ${rejected} was rejected`)
      assert.deepEqual(await readIds(join(base, 'out')), [1])
    }
  })

  test('the same bad event in 100 overlapping polls', async (t) => {
    const base = await temporaryFolder(t)
    const [bad, good] = events(1, 3)
    let rejected = 0
    for (let poll = 0; poll < 100; poll++) {
      const commit = await openEvents(t, { base, dedup: DEDUP })
      const bytes = Buffer.concat([linesOf(bad, good), Buffer.from('{"broken\n')])
      await stream({
        commit,
        chunks: [{ bytes, position: poll }],
        ...KEY,
        stage(batch) {
          if (batch.count > 0) batch.reject(0, 'BAD', 'validate')
          return batch
        },
      })
      rejected += commit.totals().rejected
      await commit.close()
    }
    assert.equal(rejected, 2)
    assert.deepEqual(await readIds(join(base, 'out')), [2])
  })

  test('a throw inside the state transaction', async (t) => {
    const base = await temporaryFolder(t)
    let puts = 0
    // After the positions and rows of the second epoch, before its tally.
    const throwing = async (path: string): Promise<Database> =>
      onPut(await openDatabase(path), (key) => {
        if (key === 'tally' && ++puts === 2) throw new Error('thrown inside the transaction')
      })
    const chunks = Array.from({ length: 10 }, (_, i) => ({
      bytes: linesOf(...events(i * 10, i * 10 + 10)),
      position: i + 1,
    }))
    const setup = { base, dedup: DEDUP, sink: { roll: rollWith({ maxRecords: 10 }) } }
    const first = await openEvents(t, { ...setup, openDatabase: throwing })
    await assert.rejects(stream({ commit: first, chunks, ...KEY }), { code: 'DISK_FAILED' })
    assert.equal(first.position(), 1)
    await first.close()
    const second = await openEvents(t, setup)
    assert.equal(second.position(), 1)
    await stream({ commit: second, chunks: chunks.slice(1), ...KEY })
    assert.deepEqual(
      await readIds(join(base, 'out')),
      Array.from({ length: 100 }, (_, id) => id),
    )
  })

  test('a store that answers every HEAD with 403', async (t) => {
    const server = await startStore(t, { denyRead: true, denyList: true })
    const base = await temporaryFolder(t)
    server.faults.add({ kind: 'reset', at: 'response', operation: 'PutObject', times: 2 })
    const sink = await createSink(t, server)
    const dying: ObjectSink = {
      ...sink,
      async publish(...call) {
        await sink.publish(...call)
        throw new SluiceError('SINK_REFUSED', 'died after publishing')
      },
    }
    const chunks = [{ bytes: linesOf(...events(0, 10)), position: 1 }]
    const first = await openEvents(t, { base, sink: { type: 's3', sink: dying } })
    await assert.rejects(stream({ commit: first, chunks }), { code: 'SINK_REFUSED' })
    await first.close()
    const second = await openEvents(t, { base, sink: { type: 's3', sink } })
    await stream({ commit: second, chunks: [] })
    const objects = [...server.objects(BUCKET).values()]
    assert.deepEqual(
      objects.map(({ puts }) => puts),
      [1],
    )
    assert.deepEqual(await readdir(join(base, 'state', 'events', 'outbox')), [])
  })

  test('a foreign object with the same key', async (t) => {
    const server = await startStore(t)
    const base = await temporaryFolder(t)
    const real = await createSink(t, server)
    const theirs = createS3Client({ region: server.region, endpoint: server.endpoint, forcePathStyle: true })
    t.after(() => theirs.destroy())
    const sink: ObjectSink = {
      ...real,
      async publish(file, destination, ...rest) {
        const { key: Key } = destination
        assert.ok(typeof Key === 'string')
        await theirs.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: '{}\n' }))
        await real.publish(file, destination, ...rest)
      },
    }
    const chunks = [{ bytes: linesOf(...events(0, 10)), position: 1 }]
    const commit = await openEvents(t, { base, sink: { type: 's3', sink } })
    await assert.rejects(stream({ commit, chunks }), {
      code: 'SINK_REFUSED',
      message: /has 3 bytes, \d+ are/,
    })
    await commit.close()
    assert.deepEqual(
      [...server.objects(BUCKET).values()].map(({ body }) => body.toString()),
      ['{}\n'],
    )
    assert.equal((await readdir(join(base, 'state', 'events', 'outbox'))).length, 1)
  })

  test('a change of the S3 bucket between commit and publish', async () => {
    const workload = { ...pages, failsAt: Infinity }
    for (const when of ['before', 'after'] as const) {
      const environment = new Environment()
      const whole = new Process()
      await simulateRun({ environment: new Environment(), process: whole, workload, folder })
      const operation = whole.operations.indexOf('put object') + 1
      const dying = new Process({ operation, when })
      await simulateRun({ environment, process: dying, workload, folder })
      assert.ok(dying.isDead)
      environment.crash('lost', createRandom(seed))
      const rows = environment.state.ofKind('object')
      assert.ok(rows.length > 0)
      assert.equal(
        await simulateRun({ environment, process: new Process(), workload, folder, bucket: 'other' }),
        undefined,
      )
      for (const { destination, key } of rows) {
        assert.ok(environment.store.objects.has(`${destination.bucket}/${key}`))
        assert.ok(!environment.store.objects.has(`other/${key}`))
      }
      assert.ok([...environment.store.objects.keys()].some((name) => name.startsWith('other/')))
      assert.deepEqual(checkOutcome(environment, workload), [])
    }
  })

  test('a full outbox with an open epoch', async (t) => {
    const server = await startStore(t)
    const base = await temporaryFolder(t)
    const chunks = Array.from({ length: 20 }, (_, i) => ({
      bytes: linesOf(...events(i * 50, i * 50 + 50)),
      position: i + 1,
    }))
    // Smaller than an epoch: the epoch must be committed early.
    const outbox = { maxBytes: 5000 }
    const setup = async (published?: RunEvents) => {
      const sink = { type: 's3', sink: await createSink(t, server), compression: 'none' as const, outbox }
      return openEvents(t, { base, dedup: DEDUP, sink, ...(published && { events: published }) })
    }
    server.throttle(0)
    const bus = new RunEvents('events')
    const first = await setup(bus)
    const kill = () => setImmediate(() => first.writable().destroy(new Error('killed')))
    t.after(listen('sluice:outbox:full', { run: bus.run }, kill))
    await assert.rejects(stream({ commit: first, chunks, ...KEY }), /killed/)
    const position = Number(first.position())
    assert.ok(position > 0 && position < 20, `position ${position}`)
    await first.close()
    server.throttle(undefined)
    const second = await setup()
    await stream({ commit: second, chunks: chunks.slice(position), ...KEY })
    const ids = [...server.objects(BUCKET).values()].flatMap(({ body, puts }) => {
      assert.equal(puts, 1)
      return body
        .toString()
        .trim()
        .split('\n')
        .map((line): number => JSON.parse(line).id)
    })
    assert.deepEqual(
      ids.toSorted((a, b) => a - b),
      Array.from({ length: 1000 }, (_, id) => id),
    )
  })
})

/** Outputs nothing before the end of its input. */
function holdAll(): Transform {
  const held: unknown[] = []
  return new Transform({
    objectMode: true,
    transform(record: unknown, _encoding, done) {
      held.push(record)
      done()
    },
    flush(done) {
      for (const record of held) this.push(record)
      done()
    },
  })
}

function onPut(database: Database, look: (key: unknown) => void): Database {
  return Object.create(database, {
    get: { value: (key: string) => database.get(key) },
    getRange: { value: (range: Parameters<Database['getRange']>[0]) => database.getRange(range) },
    transactionSync: { value: (change: () => unknown) => database.transactionSync(change) },
    putSync: {
      value(key: string, value: unknown) {
        look(key)
        database.putSync(key, value)
      },
    },
    removeSync: { value: (key: string) => database.removeSync(key) },
    flushed: { get: () => database.flushed },
    close: { value: () => database.close() },
  })
}
