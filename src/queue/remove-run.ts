import { Queue } from 'bullmq'
import { BlobStore } from './blob-store.ts'
import type { Connection } from './connection.ts'
import { parentIdOf, queueOf, RUNS } from './protocol.ts'
import type { Seal } from './seal.ts'

/** Removes a run from Redis, whoever works on it: the workers notice that their locks are gone. */
export async function removeRun(connection: Connection, seal: Seal, run: string): Promise<void> {
  const { prefix } = connection.address
  const shared = { connection: connection.client, prefix, skipVersionCheck: true }
  const [runs, shards] = [new Queue(RUNS, shared), new Queue(queueOf(run), shared)]
  for (const queue of [runs, shards]) queue.on('error', () => {})
  try {
    await connection.call(() => shards.obliterate({ force: true }))
    await connection.call(() => runs.remove(parentIdOf(run)))
    await new BlobStore(connection, seal).deleteAll(run)
    await connection.call(() => connection.client.del(connection.key('refused', run)))
  } finally {
    await Promise.all([runs.close(), shards.close()])
  }
}
