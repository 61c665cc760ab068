import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MessageChannel } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { objectLabel } from '../delivery/shards/shard-delivery.ts'
import type { ShardTask } from '../delivery/shards/shard.ts'
import { SluiceError } from '../errors.ts'
import type { Line } from '../observe/messages/line.ts'
import { EXTENSION } from '../package.ts'
import { receivedError } from '../runtime/sent-error.ts'
import { anySignal } from '../signals.ts'
import type { Executor, ShardProgress } from './executor.ts'
import type { ThreadData, ThreadMessage, ThreadReply, ThreadTask } from './shard-thread.ts'

export interface ThreadsOptions extends ThreadData {
  /** Number of threads. */
  readonly workers: number
  /** Takes the lines of the log of the threads. */
  readonly line: (line: Line) => void
}

/**
 * Runs shards in threads of this process, one at a time in each. Files are written straight into the
 * outbox of the state. A thread that dies takes nothing with it but its shard, and is replaced.
 */
export function openThreads({ workers, line, ...data }: ThreadsOptions): Executor {
  const pool: Piscina<ThreadTask, ThreadReply> = new Piscina({
    filename: fileURLToPath(new URL(`./shard-thread${EXTENSION}`, import.meta.url)),
    workerData: data,
    minThreads: workers,
    maxThreads: workers,
    concurrentTasksPerWorker: 1,
    idleTimeout: Infinity,
    // A thread that waits for its next task must not stop what still closes there.
    atomics: 'disabled',
  })
  const slots = new Slots(workers)
  const waiting = new Set<AbortController>()
  // A thread died that had no shard. If it was the replacement of another one, shards would wait for ever.
  pool.on('error', (error: Error) => {
    for (const one of waiting) one.abort(error)
  })
  return {
    capacity: workers,
    async execute(task, signal, observe) {
      signal.throwIfAborted()
      const slot = slots.take()
      const { port1: port, port2 } = new MessageChannel()
      const gone = new AbortController()
      waiting.add(gone)
      port.on('message', (message: ThreadMessage) => {
        waiting.delete(gone)
        if (message.kind === 'line') line(message.line)
        else observe?.({ ...message, worker: String(slot) } satisfies ShardProgress)
      })
      try {
        const ending = anySignal(signal, gone.signal)
        const reply = await pool.run({ task, port: port2 }, { transferList: [port2], signal: ending })
        if ('failure' in reply) throw receivedError(reply.failure)
        return reply.result
      } catch (error) {
        await discardAttempt(data.folder, task)
        signal.throwIfAborted()
        throw error instanceof SluiceError ? error : lost(task, gone.signal.aborted ? gone.signal.reason : error)
      } finally {
        waiting.delete(gone)
        port.close()
        slots.free(slot)
      }
    },
    async discard({ objects }) {
      for (const { file } of objects) if (file !== undefined) await rm(join(data.folder, file), { force: true })
    },
    close: () => pool.destroy(),
  }
}

/** Removes the files of an execution that came to nothing. The thread may have died. */
async function discardAttempt(folder: string, { runNumber, shard, attempt }: ShardTask): Promise<void> {
  const prefix = `${objectLabel(runNumber, shard.number)}.${attempt}-`
  for (const name of await readdir(folder)) if (name.startsWith(prefix)) await rm(join(folder, name), { force: true })
}

function lost({ shard }: ShardTask, error: unknown): SluiceError {
  const reason = error instanceof Error ? error.message : String(error)
  return new SluiceError('WORKER_LOST', `the worker of shard ${shard.number} died: ${reason}`, { cause: error })
}

/** Numbers of the threads that work, for people: the lowest free one. */
class Slots {
  readonly #isTaken: boolean[]

  constructor(count: number) {
    this.#isTaken = Array.from({ length: count }, () => false)
  }

  take(): number {
    const free = this.#isTaken.indexOf(false)
    const slot = free < 0 ? this.#isTaken.length : free
    this.#isTaken[slot] = true
    return slot + 1
  }

  free(slot: number): void {
    this.#isTaken[slot - 1] = false
  }
}
