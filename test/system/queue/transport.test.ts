/* The transport between the coordinator and its workers, with a real Redis and a stand-in for a shard. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { NO_REDIS } from '../../servers/redis.ts'
import { never, openExecutor, openRedis, resultOf, startWorker, taskOf, until } from './support.ts'
import type { Notes } from './support.ts'
import { SluiceError } from '../../../src/errors.ts'
import { Seal } from '../../../src/queue/seal.ts'
import type { ShardResult } from '../../../src/delivery/shards/shard.ts'

const skip = NO_REDIS
const timeout = 40_000

test('shards are executed by workers, and their results come back as they were', { skip, timeout }, async (t) => {
  const redis = await openRedis(t)
  for (const concurrency of [1, 2]) await startWorker(t, redis.url, { concurrency })
  const executor = await openExecutor(t, redis.url)
  const tasks = Array.from({ length: 12 }, (_, shard) => taskOf(shard))
  const results = await Promise.all(tasks.map((task) => executor.execute(task, never)))
  assert.deepEqual(
    results,
    tasks.map((task) => resultOf(task)),
  )
  for (const result of results) executor.committed(result)
  await until(async () => (await redis.admin.keys('*blob*')).length === 0)
  await executor.ending()
  const left = (await redis.admin.keys('*')).filter((key) => !/:workers?(:|$)|:runs:|probe/.test(key))
  assert.deepEqual(left, [])
})

test('Redis holds nothing of a job or a result in readable form', { skip, timeout }, async (t) => {
  const redis = await openRedis(t)
  await startWorker(t, redis.url)
  const executor = await openExecutor(t, redis.url)
  await executor.execute(taskOf(3), never)
  await redis.admin.bgrewriteaof().catch(() => undefined)
  const texts: string[] = []
  for (const key of await redis.admin.keys('*')) {
    const type = await redis.admin.type(key)
    if (type === 'hash') texts.push(JSON.stringify(await redis.admin.hgetall(key)))
    if (type === 'string') texts.push(String(await redis.admin.get(key)))
    if (type === 'stream') texts.push(JSON.stringify(await redis.admin.xrange(key, '-', '+')))
  }
  assert.ok(texts.length > 5)
  assert.doesNotMatch(texts.join('\n'), /file-3|secret|reject|offset/)
})

test('a large result takes several keys, and a leave-out list reaches the worker', { skip, timeout }, async (t) => {
  const redis = await openRedis(t)
  let seen: Uint8Array | undefined
  await startWorker(t, redis.url, {
    execute: async (task) => {
      seen = task.leaveOut
      return resultOf(task, 700_000)
    },
  })
  const executor = await openExecutor(t, redis.url)
  const leaveOut = Buffer.alloc(5_000_000, 7)
  const result = await executor.execute(taskOf(1, { leaveOut, attempt: 2 }), never)
  assert.equal(result.keys[0]?.entries.length, 700_000 * 16)
  assert.ok(leaveOut.equals(seen ?? Buffer.alloc(0)))
})

test('an error of a shard comes back with its code, its hint and its causes', { skip, timeout }, async (t) => {
  const redis = await openRedis(t)
  await startWorker(t, redis.url, {
    execute: async () => {
      throw new SluiceError('INPUT_CORRUPT', 'the file-3 ends early', { hint: 'copy it again' })
    },
  })
  const executor = await openExecutor(t, redis.url)
  await assert.rejects(executor.execute(taskOf(3), never), {
    code: 'INPUT_CORRUPT',
    message: 'the file-3 ends early',
    hint: 'copy it again',
  })
  // The same attempt can be made again.
  await assert.rejects(executor.execute(taskOf(3), never), { code: 'INPUT_CORRUPT' })
})

test('what waits in Redis while the coordinator is dead is found by the next one', { skip, timeout }, async (t) => {
  const redis = await openRedis(t)
  let executions = 0
  await startWorker(t, redis.url, { execute: async (task) => (executions++, resultOf(task)) })
  const stop = new AbortController()
  const first = await openExecutor(t, redis.url)
  const given = [0, 1, 2].map((shard) => first.execute(taskOf(shard), stop.signal))
  await until(async () => (await redis.admin.keys('*:shard-*')).length >= 3)
  stop.abort(new Error('stopped'))
  const outcomes = await Promise.allSettled(given)
  assert.ok(outcomes.some(({ status }) => status === 'rejected'))
  await first.close()
  await until(() => executions === 3)
  const second = await openExecutor(t, redis.url)
  const results = await Promise.all([0, 1, 2].map((shard) => second.execute(taskOf(shard), never)))
  assert.deepEqual(
    results.map(({ shard }) => shard),
    [0, 1, 2],
  )
  assert.equal(executions, 3)
})

test(
  'the shard of a worker whose process stood still runs again, and its late result is refused',
  { skip, timeout },
  async (t) => {
    const redis = await openRedis(t)
    const [discarded, notes]: [ShardResult[], Notes] = [[], []]
    let release: (() => void) | undefined
    const slow = await startWorker(t, redis.url, {
      lock: 1000,
      discarded,
      notes,
      // It does not notice that its lock is gone, like a process that was stopped.
      execute: (task) => new Promise((resolve) => (release = () => resolve(resultOf(task, 5)))),
    })
    const executor = await openExecutor(t, redis.url)
    const result = executor.execute(taskOf(0), never)
    await until(() => release !== undefined)
    // Its lock is gone, and cannot be renewed.
    await redis.admin.del('{sluice}:run-a1b2c3d4:shard-0-1:lock')
    await startWorker(t, redis.url, { lock: 1000 })
    assert.equal((await result).tally.read, 1000)
    release?.()
    await until(() => discarded.length === 1)
    slow.drain()
    await slow.ended
    assert.equal((await redis.admin.keys('*blob:*')).length, 1 + 1)
  },
)

test('a Redis that is flushed loses no shard', { skip, timeout }, async (t) => {
  const redis = await openRedis(t)
  const opened = new AbortController()
  const notes: Notes = []
  await startWorker(t, redis.url, {
    notes,
    concurrency: 2,
    execute: async (task, signal) => {
      while (!opened.signal.aborted) await sleep(20, undefined, { signal })
      return resultOf(task)
    },
  })
  const executor = await openExecutor(t, redis.url)
  const given = Array.from({ length: 5 }, (_, shard) => executor.execute(taskOf(shard), never))
  await until(async () => (await redis.admin.keys('*:lock')).length === 2)
  await redis.admin.flushall()
  opened.abort()
  const results = await Promise.all(given)
  assert.deepEqual(
    results.map(({ shard }) => shard),
    [0, 1, 2, 3, 4],
  )
})

test('a Redis that is killed and started again loses no shard', { skip, timeout }, async (t) => {
  const redis = await openRedis(t)
  const notes: Notes = []
  await startWorker(t, redis.url, { concurrency: 2, execute: async (task) => (await sleep(100), resultOf(task)) })
  const executor = await openExecutor(t, redis.url, { notes })
  const given = Array.from({ length: 8 }, (_, shard) => executor.execute(taskOf(shard), never))
  await given[1]
  await redis.kill()
  await sleep(300)
  await redis.start()
  const results = await Promise.all(given)
  assert.deepEqual(
    results.map(({ shard }) => shard),
    [0, 1, 2, 3, 4, 5, 6, 7],
  )
})

test('a Redis that stays away ends the run with a named error', { skip, timeout }, async (t) => {
  const redis = await openRedis(t)
  const notes: Notes = []
  const executor = await openExecutor(t, redis.url, { patience: 500, notes })
  const given = executor.execute(taskOf(0), never)
  await until(async () => (await redis.admin.keys('*shard-0-1')).length === 1)
  await redis.kill()
  await assert.rejects(given, { code: 'QUEUE_UNAVAILABLE', exit: 8, hint: /continues the run/ })
})

test(
  'a Redis without memory ends the run with a named error, or it continues when there is room',
  { skip, timeout },
  async (t) => {
    const redis = await openRedis(t)
    const notes: Notes = []
    await startWorker(t, redis.url)
    const executor = await openExecutor(t, redis.url, { notes })
    await executor.execute(taskOf(0), never)
    await redis.admin.config('SET', 'maxmemory', '1')
    const given = executor.execute(taskOf(1), never)
    await until(() => notes.some((note) => note.startsWith('QUEUE_FULL: redis://127.0.0.1:')))
    await redis.admin.config('SET', 'maxmemory', '0')
    assert.equal((await given).shard, 1)
    await redis.admin.config('SET', 'maxmemory', '1')
    await assert.rejects(openExecutor(t, redis.url), { code: 'QUEUE_FULL' })
    await redis.admin.config('SET', 'maxmemory', '0')
    const impatient = await openExecutor(t, redis.url, { patience: 300, run: 'b1b2c3d4' })
    await redis.admin.config('SET', 'maxmemory', '1')
    await assert.rejects(impatient.execute(taskOf(1, { run: 'b1b2c3d4' }), never), { code: 'QUEUE_FULL' })
  },
)

test('forged and replayed results are refused, and the shard is executed again', { skip, timeout }, async (t) => {
  const redis = await openRedis(t)
  const notes: Notes = []
  const worker = await startWorker(t, redis.url)
  const executor = await openExecutor(t, redis.url, { notes })
  await executor.execute(taskOf(0), never)
  const [key = ''] = await redis.admin.keys('*:blob:a1b2c3d4:shard-0-1:*:0')
  const parts = await Promise.all([0, 1].map((part) => redis.admin.getBuffer(key.replace(/0$/, String(part)))))
  worker.drain()
  await worker.ended
  // An attacker completes shard 1 with the result of shard 0.
  const given = executor.execute(taskOf(1), never)
  const job = '{sluice}:run-a1b2c3d4:shard-1-1'
  await until(async () => (await redis.admin.exists(job)) === 1)
  const forged = key.replace('shard-0-1', 'shard-1-1')
  for (const [part, bytes] of parts.entries()) await redis.admin.set(forged.replace(/0$/, String(part)), bytes ?? '')
  const fence = key.split(':').slice(4, -1).join(':')
  await redis.admin.hset(job, 'returnvalue', JSON.stringify({ fence, parts: 2 }), 'finishedOn', '1')
  await redis.admin.lrem('{sluice}:run-a1b2c3d4:wait', 0, 'shard-1-1')
  await redis.admin.zadd('{sluice}:run-a1b2c3d4:completed', 1, 'shard-1-1')
  await until(() => notes.some((note) => note.startsWith('QUEUE_FORGED: the result of shard 1 is refused')))
  await startWorker(t, redis.url)
  assert.deepEqual(await given, resultOf(taskOf(1)))
})

test('a worker with another key refuses, and the coordinator says why', { skip, timeout }, async (t) => {
  const redis = await openRedis(t)
  const notes: [Notes, Notes] = [[], []]
  await startWorker(t, redis.url, { seal: Seal.fromEnvironment({ SLUICE_QUEUE_KEY: 'x'.repeat(40) }), notes: notes[0] })
  const executor = await openExecutor(t, redis.url, { notes: notes[1] })
  const given = executor.execute(taskOf(0), never)
  await until(() => notes[0].some((note) => note.includes('QUEUE_KEY_INVALID: SLUICE_QUEUE_KEY is not the key')))
  await until(() => notes[1].some((note) => note.endsWith('QUEUE_KEY_INVALID: it has another SLUICE_QUEUE_KEY')))
  // Another worker is not affected.
  await startWorker(t, redis.url)
  assert.equal((await given).shard, 0)
})

test('a run that every worker refuses ends with the reason', { skip, timeout }, async (t) => {
  const redis = await openRedis(t)
  await startWorker(t, redis.url, { version: '2' })
  const executor = await openExecutor(t, redis.url, { patience: 500 })
  await assert.rejects(executor.execute(taskOf(0), never), {
    code: 'WORKERS_REFUSED',
    message: 'the only worker refuses the run: WORKERS_REFUSED: it has Sluice 2, and the run was started with 1',
  })
})

test('a run that is continued with a changed configuration is looked at again', { skip, timeout }, async (t) => {
  const redis = await openRedis(t)
  const notes: Notes = []
  const seen: string[] = []
  await startWorker(t, redis.url, {
    notes,
    prepare: async ({ fingerprint }) => {
      seen.push(fingerprint)
      if (fingerprint === 'wrong') throw new SluiceError('CONFIG_INVALID', 'the pipeline is another one')
      return { execute: async (task) => resultOf(task), discard: async () => {}, close: async () => {} }
    },
  })
  for (const [shard, fingerprint] of ['first', 'wrong', 'second', 'second'].entries()) {
    const executor = await openExecutor(t, redis.url, { fingerprint })
    const given = executor.execute(taskOf(shard), never)
    if (fingerprint === 'wrong') {
      given.catch(() => undefined)
      await until(() => notes.some((note) => note.startsWith('refusing the run a1b2c3d4: CONFIG_INVALID')))
    } else assert.equal((await given).shard, shard)
    await executor.close()
  }
  assert.deepEqual(seen, ['first', 'wrong', 'second'])
})

test('a worker drains: it finishes its shard and takes no other', { skip, timeout }, async (t) => {
  const redis = await openRedis(t)
  let finish: (() => void) | undefined
  const worker = await startWorker(t, redis.url, {
    execute: (task) => new Promise((resolve) => (finish = () => resolve(resultOf(task)))),
  })
  const executor = await openExecutor(t, redis.url)
  const given = [executor.execute(taskOf(0), never)]
  await until(() => finish !== undefined)
  given.push(executor.execute(taskOf(1), never))
  await until(async () => (await redis.admin.keys('*shard-1-1')).length === 1)
  worker.drain()
  finish?.()
  await worker.ended
  assert.equal((await Promise.race(given)).shard, 0)
  assert.equal((await redis.admin.keys('*:lock')).length, 0)
  await startWorker(t, redis.url)
  assert.equal((await given[1])?.shard, 1)
})

test('a worker that aborts gives its shard back at once', { skip, timeout }, async (t) => {
  const redis = await openRedis(t)
  const worker = await startWorker(t, redis.url, {
    lock: 600_000,
    execute: (_task, signal) => sleep(600_000, undefined, { signal }).then(() => Promise.reject(new Error('never'))),
  })
  const executor = await openExecutor(t, redis.url)
  const given = executor.execute(taskOf(0), never)
  await until(async () => (await redis.admin.keys('*:lock')).length === 1)
  worker.abort()
  await worker.ended
  await startWorker(t, redis.url, { lock: 600_000 })
  assert.equal((await given).shard, 0)
})
