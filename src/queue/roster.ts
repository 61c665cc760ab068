import { hostname } from 'node:os'
import { SluiceError } from '../errors.ts'
import { SECOND } from '../time.ts'
import type { Connection } from './connection.ts'
import { purpose } from './protocol.ts'
import type { Seal } from './seal.ts'

/** What a worker says of itself. */
export interface WorkerFacts {
  /** Host, process, and some random characters: `node-7:4711:x3k9`. */
  readonly id: string
  readonly concurrency: number
  /** Shards that it executes now. */
  readonly running: number
  /** True once it takes no more shards. */
  readonly isDraining: boolean
}

/** Why a worker does not execute the shards of a run. */
export interface Refusal {
  readonly worker: string
  readonly code: string
  readonly message: string
  readonly hint?: string | undefined
}

/** Milliseconds between two signs of life; without one, a worker is forgotten after three times that. */
export const HEARTBEAT = 5 * SECOND
/** Seconds. */
const REFUSAL_KEPT = 3600

/** Who works on this queue. */
export class Roster {
  readonly #connection: Connection
  readonly #seal: Seal

  constructor(connection: Connection, seal: Seal) {
    this.#connection = connection
    this.#seal = seal
  }

  async announce(facts: WorkerFacts): Promise<void> {
    const { client } = this.#connection
    const sealed = await this.#seal.sealJson(facts, purpose.worker(facts.id))
    // In this order: `list` takes an id without facts for that of a dead worker.
    await client.set(this.#connection.key('worker', facts.id), sealed, 'PX', 3 * HEARTBEAT)
    await client.sadd(this.#connection.key('workers'), facts.id)
  }

  async leave(id: string): Promise<void> {
    await this.#connection.client.srem(this.#connection.key('workers'), id)
    await this.#connection.client.del(this.#connection.key('worker', id))
  }

  /** The workers that are alive. One with another key is without facts. */
  async list(): Promise<readonly (WorkerFacts | { readonly id: string; readonly hasOtherKey: true })[]> {
    const { client } = this.#connection
    const ids = await client.smembers(this.#connection.key('workers'))
    if (ids.length === 0) return []
    const texts = await client.mget(ids.map((id) => this.#connection.key('worker', id)))
    const dead = ids.filter((_, at) => texts[at] === null)
    if (dead.length > 0) await client.srem(this.#connection.key('workers'), ...dead)
    const alive = ids.flatMap((id, at) => (typeof texts[at] === 'string' ? [{ id, text: texts[at] }] : []))
    return Promise.all(alive.map(({ id, text }) => this.#factsOf(id, text)))
  }

  async refuse(run: string, worker: string, { code, message, hint }: SluiceError): Promise<void> {
    const refusal: Refusal = { worker, code, message, hint }
    const sealed = await this.#seal.sealJson(refusal, purpose.refusal(run, worker))
    await this.#connection.client.hset(this.#connection.key('refused', run), worker, sealed)
    await this.#connection.client.expire(this.#connection.key('refused', run), REFUSAL_KEPT)
  }

  /** The refusals of a run by id of the worker. */
  async refusals(run: string): Promise<ReadonlyMap<string, Refusal>> {
    const sealed = await this.#connection.client.hgetall(this.#connection.key('refused', run))
    const found = new Map<string, Refusal>()
    for (const [worker, text] of Object.entries(sealed)) {
      found.set(worker, await this.#refusalOf(run, worker, text))
    }
    return found
  }

  async forget(run: string): Promise<void> {
    await this.#connection.client.del(this.#connection.key('refused', run))
  }

  async #factsOf(id: string, text: string) {
    try {
      return await this.#seal.openJson<WorkerFacts>(text, purpose.worker(id))
    } catch {
      return { id, hasOtherKey: true } as const
    }
  }

  async #refusalOf(run: string, worker: string, text: string): Promise<Refusal> {
    try {
      return await this.#seal.openJson<Refusal>(text, purpose.refusal(run, worker))
    } catch (error) {
      // A worker with another key cannot say more.
      if (!(error instanceof SluiceError)) throw error
      return { worker, code: error.code, message: 'it has another SLUICE_QUEUE_KEY', hint: error.hint }
    }
  }
}

/** The name of this process among the workers. */
export function workerName(): string {
  const random = Math.random().toString(36).slice(2, 6)
  return `${hostname().replaceAll(/[^\w.-]/g, '_')}:${process.pid}:${random}`
}
