import { workerData } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { move, transferableSymbol, valueSymbol } from 'piscina'
import type { ShardResult, ShardTask } from '../delivery/shards/shard.ts'
import { asSluiceError } from '../errors.ts'
import { addEnvironmentSecrets } from '../observe/environment-secrets.ts'
import { RunEvents } from '../observe/bus/run-events.ts'
import { listen } from '../observe/bus/subscribe.ts'
import { takeWarnings } from '../observe/warnings.ts'
import type { Line } from '../observe/messages/line.ts'
import { SharedTransforms } from '../runtime/transform-stages.ts'
import { executeShard } from './execute-shard.ts'
import { sentError } from '../runtime/sent-error.ts'
import type { SentError } from '../runtime/sent-error.ts'
import { loadJob } from './job.ts'
import type { Job, LoadedJob } from './job.ts'

/** What each thread gets when it starts. A thread has its own copy of the environment. */
export interface ThreadData {
  readonly job: Job
  readonly fingerprint: string
  readonly hashKey: Uint8Array
  readonly generation: string
  /** The outbox. */
  readonly folder: string
}

export interface ThreadTask {
  readonly task: ShardTask
  /** Takes `ThreadMessage`s to the coordinator. */
  readonly port: MessagePort
}

export type ThreadMessage =
  | { readonly kind: 'line'; readonly line: Line }
  | { readonly kind: 'read'; readonly records: number; readonly bytes: number }

export type ThreadReply = { readonly result: ShardResult } | { readonly failure: SentError }

const data: ThreadData = workerData
const hashKey = Buffer.from(data.hashKey)
const shared = new SharedTransforms()
/** Begins before the first shard is there. */
const loading = load()
loading.catch(() => undefined)

async function load(): Promise<LoadedJob> {
  addEnvironmentSecrets(process.env)
  return loadJob(data.job, hashKey, data.fingerprint)
}

/** Executes a shard in a thread of piscina. */
export default async function execute({ task, port }: ThreadTask): Promise<object> {
  const send = (message: ThreadMessage): void => port.postMessage(message)
  const events = new RunEvents()
  const stopForwarding = forward(events, send)
  const endWarnings = takeWarnings(events.note)
  try {
    send({ kind: 'read', records: 0, bytes: 0 })
    const { job, generation, folder } = data
    const { pipeline, files } = await loading
    const result = await executeShard(pipeline, task, {
      hashKey,
      generation,
      folder,
      shared,
      files,
      final: job.final,
      keepGoing: job.keepGoing,
      // A thread that is not wanted any more is ended from outside.
      signal: new AbortController().signal,
      events,
    })
    return moved({ result }, [...result.keys.map(({ entries }) => entries), result.rejects])
  } catch (error) {
    const failure = sentError(asSluiceError(error, 'INTERNAL', 'the execution of a shard failed'))
    const reply: ThreadReply = { failure }
    return reply
  } finally {
    endWarnings()
    stopForwarding()
    port.close()
  }
}

/** Sends the coordinator what it shows: lines of the log, and how much is read. */
function forward({ run }: RunEvents, send: (message: ThreadMessage) => void): () => void {
  let [records, bytes] = [0, 0]
  let timer: NodeJS.Timeout | undefined
  const report = (): void => send({ kind: 'read', records, bytes })
  const stops = [
    listen('sluice:run:note', { run }, ({ level, code, stage, message, facts }) =>
      send({ kind: 'line', line: { level, code, stage, message, facts } }),
    ),
    listen('sluice:source:open', { run }, () => (timer = setInterval(report, REPORT_INTERVAL))),
    listen('sluice:run:work', { run }, ({ sources }) => {
      for (const source of sources) {
        records += source.records
        bytes += source.bytes
      }
    }),
    listen('sluice:run:end', { run }, () => {
      clearInterval(timer)
      if (timer) report()
    }),
  ]
  return () => {
    clearInterval(timer)
    for (const stop of stops) stop()
  }
}

/** Milliseconds; the coordinator shows progress as often. */
const REPORT_INTERVAL = 250

/** A reply whose bytes are handed over and not copied. */
function moved(reply: ThreadReply, bytes: readonly Uint8Array[]): object {
  const buffers = new Set(bytes.filter(ownsItsBuffer).map(({ buffer }) => buffer))
  return move({ [transferableSymbol]: [...buffers], [valueSymbol]: reply })
}

/** Small Buffers share a pool, which must not be handed over. */
function ownsItsBuffer({ buffer, byteLength }: Uint8Array): boolean {
  return buffer.byteLength === byteLength && byteLength > 0
}
