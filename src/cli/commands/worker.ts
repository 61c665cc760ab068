import { utimes, writeFile } from 'node:fs/promises'
import type { InferredOptionTypes } from 'yargs'
import { SluiceError, systemCode } from '../../errors.ts'
import { say } from '../../observe/output.ts'
import { readVersion } from '../../package.ts'
import { coresThatFit } from '../../shards/choose-workers.ts'
import type { CommandDefinition } from '../command.ts'
import { logChoice, logOptions, openProcessLog } from '../log-options.ts'
import { takeWarnings } from '../../observe/warnings.ts'
import { jsonLog } from '../process-log.ts'
import { openQueue, queueOption, requireQueue } from '../queue-options.ts'
import { stopOnSignals } from '../signals.ts'

interface WorkerArguments extends InferredOptionTypes<typeof logOptions> {
  queue: string | undefined
  concurrency: number | undefined
  alive: string | undefined
}

export const command: CommandDefinition<WorkerArguments> = {
  builder: (parser) =>
    parser
      .option('queue', queueOption)
      .option('concurrency', {
        type: 'number',
        requiresArg: true,
        describe: 'Shards at once, each in a thread; default: one for each core',
      })
      .option('alive', {
        type: 'string',
        requiresArg: true,
        describe: 'Touch this file every 5 seconds, for a liveness probe',
      })
      .options(logOptions)
      .example('$0 worker --queue redis://redis:6379 --concurrency 4', 'in the folder of the project'),
  handler: async (args) => {
    const concurrency = checkConcurrency(args.concurrency ?? coresThatFit())
    const log = await openProcessLog(logChoice(args))
    const { note } = log
    const endWarnings = takeWarnings(note)
    const { connection, seal } = await openQueue(requireQueue(args.queue), note, true)
    const { QueueWorker } = await import('../../queue/worker.ts')
    const { workerName } = await import('../../queue/roster.ts')
    const { openShardRunner } = await import('../../queue/shard-runner.ts')
    const name = workerName()
    const worker = new QueueWorker({
      connection,
      seal,
      concurrency,
      name,
      lock: connection.address.lock,
      version: readVersion(),
      note,
      prepare: (content, run) => openShardRunner(content, { concurrency, run, log }),
    })
    const abort = new AbortController()
    const stopping = (signal: string, what: string): void => {
      if (jsonLog()) note('run.stopping', { signal, what })
      else say('', `${signal}: ${what}`)
    }
    const signals = stopOnSignals(
      (signal) => stopping(signal, 'finishing the shards under way; send it again to give them back'),
      (signal) => {
        stopping(signal, 'giving the shards back; send it again to stop immediately')
        abort.abort(new SluiceError('INTERRUPTED', 'stopped; the shards under way are executed elsewhere'))
      },
    )
    const alive = args.alive === undefined ? undefined : await keepTouching(args.alive)
    note('worker.started', { worker: name, concurrency, queue: connection.address.name })
    try {
      await worker.serve(signals.stop, abort.signal)
      note('worker.ended', { worker: name })
    } finally {
      clearInterval(alive)
      signals.forget()
      endWarnings()
      await connection.close()
    }
    if (abort.signal.aborted) throw abort.signal.reason
  },
}

/** @throws SluiceError USAGE */
function checkConcurrency(concurrency: number): number {
  if (Number.isInteger(concurrency) && concurrency >= 1 && concurrency <= MOST) return concurrency
  throw new SluiceError('USAGE', `--concurrency ${concurrency} is not a number of shards`, {
    hint: `give a whole number from 1 to ${MOST}`,
  })
}

const MOST = 256

/** The event loop of a process that is stuck touches nothing. */
async function keepTouching(path: string): Promise<NodeJS.Timeout> {
  try {
    await writeFile(path, '')
  } catch (error) {
    throw new SluiceError('USAGE', `--alive ${path}: ${systemCode(error) ?? String(error)}`, {
      hint: 'name a file that can be written',
    })
  }
  const touch = () => {
    const now = new Date()
    utimes(path, now, now).catch(() => writeFile(path, '').catch(() => undefined))
  }
  return setInterval(touch, INTERVAL).unref()
}

/** Milliseconds. */
const INTERVAL = 5000
