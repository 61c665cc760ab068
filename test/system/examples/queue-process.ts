import { appendFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { consumeQueue } from '../../../examples/programs/consume-queue.ts'
import type { Message } from '../../../examples/programs/consume-queue.ts'

/*
 * A process that consumes a queue of events until all are acknowledged, for the test that kills it.
 * The file `acknowledged` is the memory of the queue. A line on stdout for each step.
 */
const [folder = '', total = '0'] = process.argv.slice(2)
const file = join(folder, 'acknowledged')
const acknowledged = new Set(readFileSync(file, 'utf8').split('\n'))
const waiting = Array.from({ length: Number(total) }, (_, id) => String(id)).filter((id) => !acknowledged.has(id))
const stop = new AbortController()

await consumeQueue(
  {
    async receive() {
      await new Promise(setImmediate)
      const ids = waiting.splice(0, 100)
      if (ids.length === 0) stop.abort()
      process.stdout.write('received\n')
      return ids.map((id): Message => ({ id, body: `{"id":${id}\n}` }))
    },
    acknowledge(messages) {
      process.stdout.write('published\n')
      appendFileSync(file, messages.map(({ id }) => `${id}\n`).join(''))
      return Promise.resolve()
    },
  },
  folder,
  stop.signal,
)
