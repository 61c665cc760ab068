import { workerData } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { move, transferableSymbol, valueSymbol } from 'piscina'
import type { ShardResult, ShardTask } from '../delivery/shards/shard.ts'
import { asSluiceError } from '../errors.ts'
import { addEnvironmentSecrets } from '../observe/environment-secrets.ts'
import type { Flow } from '../observe/progress.ts'
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
  | {
      readonly kind: 'note'
      readonly message: string
      readonly facts?: { readonly [name: string]: string | number | boolean }
    }
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
      note: (message, facts) => send({ kind: 'note', message, ...(facts && { facts }) }),
      observe: (flow) => reportRead(flow, send),
    })
    return moved({ result }, [...result.keys.map(({ entries }) => entries), result.rejects])
  } catch (error) {
    const failure = sentError(asSluiceError(error, 'INTERNAL', 'the execution of a shard failed'))
    const reply: ThreadReply = { failure }
    return reply
  } finally {
    port.close()
  }
}

function reportRead(flow: Flow, send: (message: ThreadMessage) => void): () => void {
  const report = (): void => send({ kind: 'read', records: flow.records, bytes: flow.bytes })
  const timer = setInterval(report, REPORT_INTERVAL)
  return () => {
    clearInterval(timer)
    report()
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
