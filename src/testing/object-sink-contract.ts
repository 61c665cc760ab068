import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SinkDeclaration } from '../component.ts'
import { SluiceError } from '../errors.ts'
import type { JsonObject } from '../record/json/json.ts'
import { ABORT_AFTER, casesWith, nameOf, turns, withoutHanging } from './contract-case.ts'
import type { ContractCase } from './contract-case.ts'
import { assertAborted, Attempts, Bench, LARGE, NEVER, publish, SMALL } from './object-sink-bench.ts'
import type { Finished, ObjectSinkFixture, ObjectStore } from './object-sink-bench.ts'
import { stagedCases } from './object-sink-staged-cases.ts'

/**
 * Tries an object sink by the rules of `ObjectSink`: objects visible whole or not at all,
 * idempotent, after aborts, crashes and outages, and readable back. The cases may run in any order,
 * one at a time.
 */
export function objectSinkContract<Store extends ObjectStore>(
  declaration: SinkDeclaration,
  fixture: ObjectSinkFixture<Store>,
): ContractCase[] {
  const on = (check: (bench: Bench<Store>) => Promise<void>) => async (): Promise<void> => {
    const store = await fixture.open()
    const folder = await mkdtemp(join(tmpdir(), 'sluice-contract-'))
    const bench = new Bench(declaration, store, folder)
    try {
      await check(bench)
    } finally {
      await bench.close()
      await rm(folder, { recursive: true, force: true })
      await store.close?.()
    }
  }
  const { outage, refuse, secrets = [] } = fixture
  return [
    { name: 'publishes an object with exactly its bytes', run: on(publishes) },
    { name: 'publishes a large object, and several at once', run: on(publishesSeveral) },
    { name: 'publishes the same object twice without an error or a second object', run: on(isIdempotent) },
    { name: 'shows no object in part, however it is aborted, and completes it afterwards', run: on(survivesAborts) },
    {
      name: 'describes a destination in JSON, without secrets, that another instance can use',
      run: on((bench) => describesDestination(bench, secrets)),
    },
    { name: 'takes a key of the length that it names', run: on(takesLongKeys) },
    { name: 'reads back what it has published', run: on(readsBack) },
    { name: 'leaves no object when it checks the connection', run: on(checksConnection) },
    ...casesWith(outage, (act) => [
      {
        name: 'reports an outage as retryable, and publishes after it',
        run: on((bench) => survivesOutage(bench, act)),
      },
    ]),
    ...casesWith(refuse, (act) => [
      { name: 'reports a refusal as final', run: on((bench) => reportsRefusal(bench, act)) },
    ]),
    ...stagedCases(fixture, on),
  ]
}

async function publishes<Store extends ObjectStore>(bench: Bench<Store>): Promise<void> {
  const finished = await bench.file('one')
  await publish(await bench.create(), finished)
  await bench.expectObjects([finished], 'after it was published')
}

async function publishesSeveral<Store extends ObjectStore>(bench: Bench<Store>): Promise<void> {
  const sink = await bench.create()
  const files = [await bench.file('large', LARGE)]
  for (const name of ['a', 'b', 'c', 'deep/er/d']) files.push(await bench.file(name.replaceAll('/', '-')))
  await Promise.all(files.map((finished) => publish(sink, finished)))
  await bench.expectObjects(files, 'after five were published at once')
}

async function isIdempotent<Store extends ObjectStore>(bench: Bench<Store>): Promise<void> {
  for (const [name, bytes] of [
    ['small', SMALL],
    ['large', LARGE],
  ] as const) {
    const finished = await bench.file(name, bytes)
    await publish(await bench.create(), finished)
    const objects = (await bench.store.objects()).size
    // Another process, after a crash between the upload and the note of it.
    await publish(await bench.create(), finished, new Attempts({ isRepeated: true }))
    // A copy of the state, whose process knows of no earlier attempt.
    await publish(await bench.create(), finished)
    assert.equal((await bench.store.objects()).size, objects, 'publishing again made another object')
    const stored = (await bench.store.objects()).get(finished.key)
    assert.ok(stored && finished.content.equals(stored), 'publishing again changed the object')
  }
}

async function survivesAborts<Store extends ObjectStore>(bench: Bench<Store>): Promise<void> {
  const done: Finished[] = []
  for (const wait of ABORT_AFTER) {
    const finished = await bench.file(`after-${wait}`, LARGE)
    const attempt = new Attempts()
    const stop = new AbortController()
    const sink = await bench.create()
    const publishing = publish(sink, finished, attempt, stop.signal).catch((error: unknown) => error ?? 'nothing')
    await turns(wait)
    stop.abort(new Error('the run ends'))
    const error = await publishing
    if (error instanceof assert.AssertionError) throw error
    const found = (await bench.store.objects()).get(finished.key)
    if (error === undefined)
      assert.ok(found, `publishing was aborted after ${wait} turns, succeeded, and shows no object`)
    else assertAborted(error, stop.signal)
    if (found) assert.ok(finished.content.equals(found), `an object is visible in part, aborted after ${wait} turns`)
    await publish(await bench.create(), finished, attempt)
    done.push(finished)
    await bench.expectObjects(done, `after an abort ${wait} turns into it, and another attempt`)
  }
}

async function describesDestination<Store extends ObjectStore>(
  bench: Bench<Store>,
  secrets: readonly string[],
): Promise<void> {
  const finished = await bench.file('described')
  const destination = (await bench.create()).destination(finished.key)
  const text = JSON.stringify(destination)
  const stored: JsonObject = JSON.parse(text)
  assert.deepEqual(stored, destination, 'a destination is JSON, and the same after a round trip through it')
  for (const secret of secrets) assert.ok(!text.includes(secret), 'a destination holds a secret')
  const other = await bench.create()
  if (other.location) {
    const here = other.location(destination)
    assert.equal(other.location(stored), here, 'a location depends on the destination alone')
    assert.notEqual(other.location(other.destination(`${finished.key}x`)), here, 'two keys have the same location')
    for (const secret of secrets) assert.ok(!here.includes(secret), 'a location holds a secret')
  }
  await withoutHanging('publishing', other.publish(finished.file, stored, NEVER, new Attempts()))
  await bench.expectObjects([finished], 'after another instance published to a stored destination')
}

async function takesLongKeys<Store extends ObjectStore>(bench: Bench<Store>): Promise<void> {
  const sink = await bench.create()
  assert.ok(sink.maxKeyBytes >= 128, 'a key has room for the names that the runtime gives')
  const finished = await bench.file('long')
  // Segments of 100: file systems limit the names in a path, too.
  const segments = `${'k'.repeat(99)}/`.repeat(Math.floor((sink.maxKeyBytes - 28) / 100))
  const key = `${segments}${finished.file.sha256.slice(0, 20)}.ndjson`
  await publish(sink, { ...finished, key })
  await bench.expectObjects([{ ...finished, key }], 'after an object with a long key was published')
}

async function readsBack<Store extends ObjectStore>(bench: Bench<Store>): Promise<void> {
  const sink = await bench.create()
  const finished = await bench.file('back')
  const absent = await bench.file('absent')
  await publish(sink, finished)
  const there = sink.destination(finished.key)
  const gone = sink.destination(absent.key)
  if (sink.exists) {
    assert.equal(await sink.exists(there, NEVER), true, 'exists denies an object that was published')
    assert.equal(await sink.exists(gone, NEVER), false, 'exists confirms an object that was not published')
  }
  if (sink.open) {
    assert.equal(await sink.open(gone, NEVER), undefined, 'open finds an object that was not published')
    const bytes: Uint8Array[] = []
    for await (const chunk of (await sink.open(there, NEVER)) ?? []) bytes.push(chunk)
    assert.ok(finished.content.equals(Buffer.concat(bytes)), 'open gives other bytes than were published')
  }
  if (sink.list) {
    const listed: string[] = []
    for await (const key of sink.list('contract/b', NEVER)) listed.push(key)
    assert.deepEqual(listed, [finished.key], 'list gives all keys with the prefix, and no others')
    for await (const key of sink.list('elsewhere/', NEVER)) assert.fail(`list gives ${key} for another prefix`)
  }
}

async function checksConnection<Store extends ObjectStore>(bench: Bench<Store>): Promise<void> {
  const sink = await bench.create()
  const finished = await bench.file('before')
  await publish(sink, finished)
  if (sink.connect) {
    for await (const { what, error } of sink.connect('contract/', AbortSignal.timeout(10_000))) {
      assert.equal(error, undefined, `the check ${what} fails on a store that takes objects`)
    }
  }
  await bench.expectObjects([finished], 'after a connection check')
}

async function survivesOutage<Store extends ObjectStore>(
  bench: Bench<Store>,
  outage: (store: Store) => Promise<() => Promise<void>>,
): Promise<void> {
  const sink = await bench.create()
  const finished = await bench.file('outage')
  const attempt = new Attempts()
  const restore = await outage(bench.store)
  const stop = new AbortController()
  // The runtime's own limit is 15 minutes; a sink that retries by itself may still be at it.
  const timer = setTimeout(() => stop.abort(), 5000)
  const [result] = await Promise.allSettled([publish(sink, finished, attempt, stop.signal)])
  clearTimeout(timer)
  await restore()
  assert.equal(result.status, 'rejected', 'publishing succeeded while the store was away')
  if (result.status === 'rejected' && !stop.signal.aborted) {
    const error: unknown = result.reason
    assert.ok(error instanceof SluiceError && error.retryable, `an outage is retryable, not ${nameOf(error)}`)
  }
  await publish(sink, finished, attempt)
  await bench.expectObjects([finished], 'after an outage and another attempt')
}

async function reportsRefusal<Store extends ObjectStore>(
  bench: Bench<Store>,
  refuse: (store: Store) => Promise<void>,
): Promise<void> {
  const finished = await bench.file('refused')
  await refuse(bench.store)
  const sink = await bench.create()
  const [result] = await Promise.allSettled([publish(sink, finished)])
  assert.equal(result.status, 'rejected', 'publishing succeeded although the store refuses')
  const error: unknown = result.status === 'rejected' ? result.reason : undefined
  if (error instanceof assert.AssertionError) throw error
  assert.ok(error instanceof SluiceError && !error.retryable, `a refusal is final, not ${nameOf(error)}`)
}
