/* The example that attaches bull-board to a queue. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { NO_REDIS } from '../../servers/redis.ts'
import { REPOSITORY } from '../../support/paths.ts'
import { never, openExecutor, openRedis, taskOf, until } from './support.ts'

interface Board {
  readonly queueBoard: (address: string) => Promise<{
    listen(options: { host: string; port: number }): Promise<string>
    close(): Promise<void>
  }>
}

test('bull-board shows the runs in a queue and their shards', { skip: NO_REDIS, timeout: 60_000 }, async (t) => {
  const redis = await openRedis(t)
  const executor = await openExecutor(t, redis.url)
  void executor.execute(taskOf(3), never).catch(() => {})
  await until(async () => (await redis.admin.keys('*:shard-3-1')).length === 1)
  const { queueBoard }: Board = await import(pathToFileURL(join(REPOSITORY, 'examples/programs/queue-board.js')).href)
  const server = await queueBoard(redis.url)
  try {
    const url = await server.listen({ host: '127.0.0.1', port: 0 })
    assert.match(await (await fetch(url)).text(), /<title>/i)
    const response = await fetch(`${url}/api/queues?activeQueue=run-a1b2c3d4&status=waiting`)
    const { queues }: { queues: { name: string; jobs: { name: string }[] }[] } = JSON.parse(await response.text())
    assert.deepEqual(queues.map(({ name }) => name).toSorted(), ['run-a1b2c3d4', 'runs'])
    const shards = queues.find(({ name }) => name === 'run-a1b2c3d4')?.jobs.map(({ name }) => name)
    assert.deepEqual(shards, ['shard 3'])
  } finally {
    await server.close()
  }
})
