import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import type { ObjectFacts, ObjectSink } from '../component.ts'
import { SluiceError } from '../errors.ts'
import type { Json } from '../record/json/json.ts'
import { ABORT_AFTER, casesWith, nameOf, turns, withoutHanging } from './contract-case.ts'
import type { ContractCase } from './contract-case.ts'
import { assertAborted, Attempts, LARGE, NEVER, SMALL } from './object-sink-bench.ts'
import type { Bench, Finished, ObjectSinkFixture, ObjectStore } from './object-sink-bench.ts'

type Check<Store extends ObjectStore> = (bench: Bench<Store>) => Promise<void>

/**
 * The rules of `stage`, `publishStaged`, `discardStaged` and `sweepStaged`. A sink without `stage`
 * passes.
 * @param on runs a check on a fresh store
 */
export function stagedCases<Store extends ObjectStore>(
  fixture: ObjectSinkFixture<Store>,
  on: (check: Check<Store>) => () => Promise<void>,
): ContractCase[] {
  const { outage, refuse, loseStaged = 'the fixture cannot', secrets = [] } = fixture
  const staging = (check: Check<Store>) =>
    on(async (bench) => {
      if ((await bench.create()).stage) await check(bench)
    })
  return [
    {
      name: 'stages an object unseen, and another instance publishes it from its handle',
      run: staging((bench) => publishesStaged(bench, secrets)),
    },
    { name: 'publishes a staged object once, however often and by how many', run: staging(publishesOnce) },
    { name: 'publishes one of two staged copies, and discards the other without harm', run: staging(keepsTheWinner) },
    { name: 'shows no staged object in part, however publishing is aborted', run: staging(survivesAborts) },
    { name: 'leaves nothing staged after an abort of staging', run: staging(leavesNothing) },
    { name: 'discards what is staged, and then says that it is gone', run: staging(discards) },
    { name: 'sweeps what is dead, and nothing else', run: staging(sweeps) },
    ...casesWith(loseStaged, (act) => [
      {
        name: 'says that a staged object is gone, but not if it is visible',
        run: staging((bench) => saysGone(bench, act)),
      },
    ]),
    ...casesWith(outage, (act) => [
      {
        name: 'reports an outage while staging as retryable, and stages after it',
        run: staging((bench) => survivesOutage(bench, act)),
      },
    ]),
    ...casesWith(refuse, (act) => [
      { name: 'reports a refusal to stage as final', run: staging((bench) => reportsRefusal(bench, act)) },
    ]),
  ]
}

/** A finished file that is staged; the file is gone. */
interface StagedFile extends Finished {
  readonly handle: Json
}

async function stage(sink: ObjectSink, finished: Finished): Promise<StagedFile> {
  const { file, key } = finished
  if (!sink.stage) assert.fail('the sink has lost its stage')
  const handle = await withoutHanging('staging', sink.stage(file, sink.destination(key), NEVER))
  const text = JSON.stringify(handle)
  assert.ok(text.length < MAX_HANDLE, `a handle has ${text.length} characters: it passes through a queue`)
  const stored: Json = JSON.parse(text)
  assert.deepEqual(stored, handle, 'a handle is JSON, and the same after a round trip through it')
  return { ...finished, handle: stored }
}

const MAX_HANDLE = 16_384

async function publishStaged(
  sink: ObjectSink,
  { handle, file, key }: StagedFile,
  attempt = new Attempts(),
  signal = NEVER,
): Promise<'published' | 'gone'> {
  const { bytes, records, sha256, compression } = file
  const facts: ObjectFacts = { bytes, records, sha256, compression, isStaged: true }
  if (!sink.publishStaged) assert.fail('the sink has lost its publishStaged')
  try {
    const published = sink.publishStaged(handle, facts, sink.destination(key), signal, attempt)
    return await withoutHanging('publishing', published)
  } finally {
    attempt.isRepeated = true
  }
}

async function discard(sink: ObjectSink, { handle, key }: StagedFile): Promise<void> {
  await withoutHanging('discarding', sink.discardStaged?.(handle, sink.destination(key), NEVER) ?? Promise.resolve())
}

async function expectStaged<Store extends ObjectStore>({ store }: Bench<Store>, count: number, when: string) {
  const staged = await store.staged?.()
  if (staged !== undefined) assert.equal(staged, count, `objects that are staged ${when}`)
}

async function publishesStaged<Store extends ObjectStore>(
  bench: Bench<Store>,
  secrets: readonly string[],
): Promise<void> {
  const done: Finished[] = []
  for (const [name, bytes] of [
    ['small', SMALL],
    ['large', LARGE],
  ] as const) {
    const staged = await stage(await bench.create(), await bench.file(name, bytes))
    const text = JSON.stringify(staged.handle)
    for (const secret of secrets) assert.ok(!text.includes(secret), 'a handle holds a secret')
    await bench.expectObjects(done, 'while another is staged')
    await rm(staged.file.path)
    assert.equal(await publishStaged(await bench.create(), staged), 'published')
    done.push(staged)
    await bench.expectObjects(done, 'after a staged object was published')
    await expectStaged(bench, 0, 'after all were published')
  }
}

async function publishesOnce<Store extends ObjectStore>(bench: Bench<Store>): Promise<void> {
  for (const [name, bytes] of [
    ['small', SMALL],
    ['large', LARGE],
  ] as const) {
    const staged = await stage(await bench.create(), await bench.file(name, bytes))
    const both = await Promise.all([
      publishStaged(await bench.create(), staged),
      publishStaged(await bench.create(), staged),
    ])
    assert.deepEqual(both, ['published', 'published'], 'two that publish a staged object at once')
    const again = await publishStaged(await bench.create(), staged, new Attempts({ isRepeated: true }))
    const copied = await publishStaged(await bench.create(), staged)
    assert.deepEqual([again, copied], ['published', 'published'], 'publishing a staged object again')
    const stored = (await bench.store.objects()).get(staged.key)
    assert.ok(stored && staged.content.equals(stored), 'publishing again changed the object')
    await discard(await bench.create(), staged)
    assert.ok((await bench.store.objects()).has(staged.key), 'discarding a handle removed its published object')
  }
}

async function keepsTheWinner<Store extends ObjectStore>(bench: Bench<Store>): Promise<void> {
  const finished = await bench.file('twice', LARGE)
  // A worker that was slow, and the one that did its work again.
  const [first, second] = await Promise.all([
    stage(await bench.create(), finished),
    stage(await bench.create(), finished),
  ])
  assert.notDeepEqual(first.handle, second.handle, 'two staged copies have handles of their own')
  assert.equal(await publishStaged(await bench.create(), second), 'published')
  for (let times = 0; times < 2; times++) await discard(await bench.create(), first)
  await bench.expectObjects([finished], 'after the other copy was discarded')
  assert.equal(await publishStaged(await bench.create(), first), 'published', 'an object that is there is published')
  await bench.expectObjects([finished], 'after both copies were published')
}

async function survivesAborts<Store extends ObjectStore>(bench: Bench<Store>): Promise<void> {
  const done: Finished[] = []
  for (const wait of ABORT_AFTER) {
    const staged = await stage(await bench.create(), await bench.file(`after-${wait}`))
    const attempt = new Attempts()
    const stop = new AbortController()
    const sink = await bench.create()
    const publishing = publishStaged(sink, staged, attempt, stop.signal).catch((error: unknown) => error ?? 'nothing')
    await turns(wait)
    stop.abort(new Error('the run ends'))
    const result = await publishing
    if (result instanceof assert.AssertionError) throw result
    const found = (await bench.store.objects()).get(staged.key)
    assert.notEqual(result, 'gone', 'publishing that was aborted says that the object is gone')
    if (result === 'published')
      assert.ok(found, `publishing was aborted after ${wait} turns, succeeded, and shows no object`)
    else assertAborted(result, stop.signal)
    if (found) assert.ok(staged.content.equals(found), `an object is visible in part, aborted after ${wait} turns`)
    assert.equal(await publishStaged(await bench.create(), staged, attempt), 'published')
    done.push(staged)
    await bench.expectObjects(done, `after an abort ${wait} turns into it, and another attempt`)
  }
}

async function leavesNothing<Store extends ObjectStore>(bench: Bench<Store>): Promise<void> {
  for (const wait of ABORT_AFTER) {
    const { file, key } = await bench.file(`staging-${wait}`, LARGE)
    const stop = new AbortController()
    const sink = await bench.create()
    const staging = sink.stage?.(file, sink.destination(key), stop.signal).then(
      (handle) => ({ handle }),
      (error: unknown) => ({ error }),
    )
    await turns(wait)
    stop.abort(new Error('the run ends'))
    const result = await withoutHanging('staging that was aborted', Promise.resolve(staging))
    if (result && 'error' in result) assertAborted(result.error, stop.signal)
    else if (result) await sink.discardStaged?.(result.handle, sink.destination(key), NEVER)
    await bench.expectObjects([], `after staging was aborted after ${wait} turns`)
  }
  // An upload whose creation was under way has no bytes: the sweep finds it.
  await (await bench.create()).sweepStaged?.('contract/', () => true, NEVER)
  await expectStaged(bench, 0, 'after staging was aborted')
}

async function discards<Store extends ObjectStore>(bench: Bench<Store>): Promise<void> {
  for (const [name, bytes] of [
    ['small', SMALL],
    ['large', LARGE],
  ] as const) {
    const staged = await stage(await bench.create(), await bench.file(name, bytes))
    await expectStaged(bench, 1, 'after one was staged')
    for (let times = 0; times < 2; times++) await discard(await bench.create(), staged)
    await expectStaged(bench, 0, 'after it was discarded')
    for (let times = 0; times < 2; times++) {
      assert.equal(await publishStaged(await bench.create(), staged), 'gone', 'publishing what was discarded')
    }
    await bench.expectObjects([], 'after what was staged was discarded')
  }
}

function isDead(key: string): boolean {
  return key.includes('dead-')
}

async function sweeps<Store extends ObjectStore>(bench: Bench<Store>): Promise<void> {
  const sink = await bench.create()
  if (!sink.sweepStaged) return
  const [dead, alive] = [await stage(sink, await bench.file('dead')), await stage(sink, await bench.file('alive'))]
  const sweeper = await bench.create()
  assert.equal(await sweeper.sweepStaged?.('elsewhere/', isDead, NEVER), 0, 'swept below another prefix')
  assert.equal(await sweeper.sweepStaged?.('contract/', () => false, NEVER), 0, 'swept what is alive')
  assert.equal(await sweeper.sweepStaged?.('contract/', isDead, NEVER), 1, 'swept what is dead')
  await expectStaged(bench, 1, 'after a sweep')
  assert.equal(await publishStaged(sink, dead), 'gone')
  assert.equal(await publishStaged(sink, alive), 'published')
  await bench.expectObjects([alive], 'after a sweep')
}

async function saysGone<Store extends ObjectStore>(
  bench: Bench<Store>,
  loseStaged: (store: Store) => Promise<void>,
): Promise<void> {
  const finished = await bench.file('lost', LARGE)
  const [lost, other] = [await stage(await bench.create(), finished), await stage(await bench.create(), finished)]
  await loseStaged(bench.store)
  for (const isRepeated of [false, true]) {
    const result = await publishStaged(await bench.create(), lost, new Attempts({ isRepeated }))
    assert.equal(result, 'gone', 'what was staged does not exist any more')
  }
  await bench.expectObjects([], 'after what was staged was lost')
  // The shard runs again.
  const again = await stage(await bench.create(), finished)
  assert.equal(await publishStaged(await bench.create(), again), 'published')
  assert.equal(await publishStaged(await bench.create(), other), 'published', 'the object is visible')
  await bench.expectObjects([finished], 'after it was staged again')
}

async function survivesOutage<Store extends ObjectStore>(
  bench: Bench<Store>,
  outage: (store: Store) => Promise<() => Promise<void>>,
): Promise<void> {
  const sink = await bench.create()
  const finished = await bench.file('outage')
  const staged = await stage(sink, await bench.file('waits'))
  const restore = await outage(bench.store)
  // The runtime's own limit is 15 minutes; a sink that retries by itself may still be at it.
  const stop = AbortSignal.timeout(3000)
  const attempt = new Attempts()
  const results = await Promise.allSettled([
    sink.stage?.(finished.file, sink.destination(finished.key), stop),
    publishStaged(sink, staged, attempt, stop),
  ])
  await restore()
  for (const result of results) {
    assert.equal(result.status, 'rejected', 'staging or publishing succeeded while the store was away')
    if (result.status !== 'rejected' || stop.aborted) continue
    const error: unknown = result.reason
    assert.ok(error instanceof SluiceError && error.retryable, `an outage is retryable, not ${nameOf(error)}`)
  }
  assert.equal(await publishStaged(sink, staged, attempt), 'published')
  const again = await stage(sink, finished)
  assert.equal(await publishStaged(sink, again), 'published')
  await bench.expectObjects([staged, again], 'after an outage')
}

async function reportsRefusal<Store extends ObjectStore>(
  bench: Bench<Store>,
  refuse: (store: Store) => Promise<void>,
): Promise<void> {
  const { file, key } = await bench.file('refused')
  await refuse(bench.store)
  const sink = await bench.create()
  const [result] = await Promise.allSettled([sink.stage?.(file, sink.destination(key), NEVER)])
  assert.equal(result.status, 'rejected', 'staging succeeded although the store refuses')
  const error: unknown = result.status === 'rejected' ? result.reason : undefined
  assert.ok(error instanceof SluiceError && !error.retryable, `a refusal is final, not ${nameOf(error)}`)
}
