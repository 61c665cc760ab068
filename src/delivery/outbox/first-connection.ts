import { isDeepStrictEqual } from 'node:util'
import type { ObjectSink } from '../../component.ts'
import { asSluiceError, SluiceError } from '../../errors.ts'
import type { Note } from '../../observe/messages/table.ts'
import type { JsonObject } from '../../record/json/json.ts'
import type { State } from '../state/state.ts'

interface Target {
  readonly name: string
  readonly sink: ObjectSink
  /** The constant folders of all keys. */
  readonly folder: string
}

interface FirstConnectionOptions {
  readonly state: State
  readonly targets: readonly Target[]
  readonly note: Note
  /** Milliseconds for the checks of a sink. Default: 10 seconds. */
  readonly timeout: number | undefined
  /** Called when a sink refuses. */
  readonly refused: (error: SluiceError) => void
}

/**
 * Tries the sinks before the first object is committed for a destination. A committed object keeps
 * its destination, so a mistake there (bucket, account, credentials, folder) has to be found before.
 * Each destination is tried once: the state remembers those that worked. A store that is away is no
 * reason to stop: records are collected, and the next run tries again.
 */
export class FirstConnection {
  readonly #options: FirstConnectionOptions
  readonly #stop = new AbortController()
  #result: Promise<void> | undefined

  constructor(options: FirstConnectionOptions) {
    this.#options = options
  }

  /** Starts in the background, when the first records have arrived. */
  start(): void {
    if (this.#result) return
    this.#result = this.#tryAll()
    this.#result.catch((error: unknown) => {
      if (!this.#stop.signal.aborted) this.#options.refused(asSluiceError(error, 'SINK_FAILED', 'the sink failed'))
    })
  }

  /** Resolves when objects may be committed. @throws SluiceError the refusal of a sink */
  async check(): Promise<void> {
    this.start()
    await this.#result
  }

  stop(): void {
    this.#stop.abort()
  }

  async #tryAll(): Promise<void> {
    await Promise.all(this.#options.targets.map((target) => this.#try(target)))
  }

  async #try({ name, sink, folder }: Target): Promise<void> {
    const { state, note, timeout } = this.#options
    const destination: JsonObject = JSON.parse(JSON.stringify(sink.destination(folder)))
    if (!sink.connect || isDeepStrictEqual(state.connected(name), destination)) return
    const error = await tryConnection(sink, folder, this.#stop.signal, timeout)
    if (this.#stop.signal.aborted) return
    if (error === undefined) await state.saveConnected(name, destination)
    else if (!error.retryable) throw error
    else note('sink.untried', { sink: name, reason: error.message })
  }
}

/** Returns why a run could not publish objects below a folder; undefined if it could. */
export async function tryConnection(
  sink: ObjectSink,
  folder: string,
  stop: AbortSignal,
  timeout = TIMEOUT,
): Promise<SluiceError | undefined> {
  const ended = new AbortController()
  const end = () => ended.abort()
  const timer = setTimeout(end, timeout)
  stop.addEventListener('abort', end)
  try {
    return await Promise.race([firstError(sink, folder, ended.signal), whenAborted(ended.signal, timeout)])
  } finally {
    clearTimeout(timer)
    stop.removeEventListener('abort', end)
  }
}

/** Milliseconds. The first commit does not wait longer for a store that does not answer. */
const TIMEOUT = 10_000

function whenAborted(signal: AbortSignal, timeout: number): Promise<SluiceError> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => {
      resolve(new SluiceError('SINK_UNAVAILABLE', `no response to the first request within ${timeout / 1000} s`))
    })
  })
}

async function firstError(sink: ObjectSink, folder: string, signal: AbortSignal): Promise<SluiceError | undefined> {
  try {
    let first: SluiceError | undefined
    // To the end also after an error: later checks clean up.
    for await (const { error, isOptional } of sink.connect?.(folder, signal) ?? []) {
      if (isOptional !== true) first ??= error
    }
    return first
  } catch (error) {
    return asSluiceError(error, 'SINK_FAILED', 'the connection check of the sink failed')
  }
}
