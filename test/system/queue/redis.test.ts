/* Kinds of Redis servers and their refusals, by way of a shard that goes there and back. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { NO_REDIS } from '../../servers/redis.ts'
import { REPOSITORY } from '../../support/paths.ts'
import { never, openExecutor, openRedis, resultOf, startWorker, taskOf, until } from './support.ts'

const skip = NO_REDIS
const timeout = 60_000

async function executes(t: TestContext, url: string): Promise<void> {
  await startWorker(t, url)
  const executor = await openExecutor(t, url)
  const result = await executor.execute(taskOf(0), never)
  assert.deepEqual(result, resultOf(taskOf(0)))
  executor.committed(result)
  await executor.ending()
}

test('a password that is wrong or missing is refused by name', { skip, timeout }, async (t) => {
  const redis = await openRedis(t, ['--requirepass', 'p@ss word'])
  const host = `127.0.0.1:${redis.port}`
  await executes(t, `redis://:p%40ss%20word@${host}`)
  await assert.rejects(openExecutor(t, `redis://${host}`), {
    code: 'QUEUE_REFUSED',
    message: `redis://${host} needs a password`,
  })
  await assert.rejects(openExecutor(t, `redis://:wrong-one@${host}`), {
    code: 'QUEUE_REFUSED',
    message: `redis://${host} refused the user or the password`,
  })
})

test(
  'a user with the rights of the guide is enough, and one with fewer is refused by name',
  { skip, timeout },
  async (t) => {
    const redis = await openRedis(t)
    const rights = '-@all +@read +@write +@scripting +@transaction +@connection +info +time -@dangerous'
    await redis.admin.call(
      'ACL',
      'SETUSER',
      'sluice',
      'on',
      '>pass1',
      '~{sluice}:*',
      'resetchannels',
      ...rights.split(' '),
    )
    await redis.admin.call('ACL', 'SETUSER', 'other', 'on', '>pass2', '~other:*', '+@all')
    const host = `127.0.0.1:${redis.port}`
    await executes(t, `redis://sluice:pass1@${host}`)
    await assert.rejects(openExecutor(t, `redis://other:pass2@${host}`), {
      code: 'QUEUE_REFUSED',
      message: /does not allow this user a command or a key/,
    })
  },
)

test('TLS needs a trusted certificate, and the right scheme', { skip, timeout }, async (t) => {
  const [cert = '', key = '', ca = ''] = ['server.pem', 'server-key.pem', 'ca.pem'].map((name) =>
    join(REPOSITORY, 'test/fixtures/tls', name),
  )
  const secure = await openRedis(t, [], { cert, key, ca })
  const host = `localhost:${secure.port}`
  await executes(t, `rediss://${host}?ca=${ca}`)
  await assert.rejects(openExecutor(t, `rediss://${host}`), {
    code: 'QUEUE_REFUSED',
    message: /its certificate has no trusted issuer/,
  })
  await assert.rejects(openExecutor(t, `redis://${host}`, { patience: 2000 }), {
    code: 'QUEUE_REFUSED',
    message: `redis://${host} speaks TLS`,
  })
  const plain = await openRedis(t)
  await assert.rejects(openExecutor(t, `rediss://127.0.0.1:${plain.port}?ca=${ca}`, { patience: 2000 }), {
    code: 'QUEUE_REFUSED',
    message: /does not speak TLS/,
  })
})

test('a replica takes no writes, and is refused by name', { skip, timeout }, async (t) => {
  const primary = await openRedis(t)
  const replica = await openRedis(t, ['--replicaof', '127.0.0.1', String(primary.port)])
  await until(async () => (await replica.admin.info('replication')).includes('master_link_status:up'))
  await assert.rejects(openExecutor(t, replica.url), {
    code: 'QUEUE_REFUSED',
    message: /is a replica that takes no writes/,
  })
})

test('a cluster keeps all keys in one slot', { skip, timeout }, async (t) => {
  const redis = await openRedis(t, ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'])
  await redis.admin.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
  await until(async () => String(await redis.admin.call('CLUSTER', 'INFO')).includes('cluster_state:ok'))
  await executes(t, redis.url)
})

test(
  'all keys begin with the prefix, in the database of the address; a socket of Unix works',
  { skip, timeout },
  async (t) => {
    const redis = await openRedis(t)
    await executes(t, `unix://${redis.folder}/redis.sock?prefix=audit&db=2`)
    assert.deepEqual(await redis.admin.keys('*'), [])
    await redis.admin.select(2)
    const keys = await redis.admin.keys('*')
    assert.ok(keys.length > 0 && keys.every((key) => key.startsWith('{audit}:')), keys.join('\n'))
  },
)

test('a Redis that deletes keys when it is full is reported', { skip, timeout }, async (t) => {
  const redis = await openRedis(t, ['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru'])
  const notes: string[] = []
  await openExecutor(t, redis.url, { notes })
  assert.match(notes.join('\n'), /Redis may delete jobs and results when its memory is full/)
})
