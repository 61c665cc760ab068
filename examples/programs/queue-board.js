import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { FastifyAdapter } from '@bull-board/fastify'
import { Queue } from 'bullmq'
import fastify from 'fastify'
import { Redis } from 'ioredis'

/** Where Sluice keeps its runs, see `prefix` in the address of the queue. */
const PREFIX = '{sluice}'

/**
 * A web server with the runs in a queue and their shards. Contents are sealed: the page shows states,
 * times, progress, workers and error codes. It can only read.
 *
 * `npm install bullmq ioredis fastify @bull-board/api @bull-board/fastify`
 */
export async function queueBoard(address) {
  const connection = new Redis(address, { maxRetriesPerRequest: null })
  const open = (name) => new Queue(name, { connection, prefix: PREFIX, skipMetasUpdate: true })
  const runs = open('runs')
  const pages = new FastifyAdapter()
  const board = createBullBoard({ queues: [adapterFor(runs)], serverAdapter: pages })

  // Each run has a queue of its own, as long as it is unfinished.
  const shown = new Map()
  const refresh = async () => {
    const jobs = await runs.getJobs(['waiting', 'waiting-children'])
    const names = new Set(jobs.map(({ id }) => id))
    for (const name of names) {
      if (shown.has(name)) continue
      shown.set(name, open(name))
      board.addQueue(adapterFor(shown.get(name)))
    }
    for (const [name, queue] of shown) {
      if (names.has(name)) continue
      shown.delete(name)
      board.removeQueue(name)
      await queue.close()
    }
  }
  await refresh()
  const timer = setInterval(() => void refresh().catch(console.error), 2000)

  const server = fastify()
  server.addHook('onClose', async () => {
    clearInterval(timer)
    await Promise.all([runs, ...shown.values()].map((queue) => queue.close()))
    connection.disconnect()
  })
  await server.register(pages.registerPlugin())
  return server
}

function adapterFor(queue) {
  return new BullMQAdapter(queue, { readOnlyMode: true })
}
