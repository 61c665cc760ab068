import { setMaxListeners } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, Redis } from 'ioredis'
import type { RedisOptions } from 'ioredis'
import { randomUUID } from 'node:crypto'
import { SluiceError } from '../errors.ts'
import { speaksTls } from '../network/tls.ts'
import type { Note } from '../observe/messages/table.ts'
import { anySignal } from '../signals.ts'
import { MINUTE, SECOND } from '../time.ts'
import type { Address } from './address.ts'
import { queueFailure } from './redis-error.ts'

export interface ConnectionOptions {
  readonly note: Note
  /** Milliseconds that a command waits for a Redis that is down or full. */
  readonly patience: number
}

/**
 * A connection to Redis that outlives its failures: it connects again, and a command waits until Redis
 * takes it. When Redis stays away for longer than the patience, every command fails with a named error.
 */
export class Connection {
  readonly address: Address
  readonly client: Redis | Cluster
  readonly #options: ConnectionOptions
  /** Fails every command: the connection is closed, or waited for too long. */
  readonly #end = endless()
  readonly #timer: NodeJS.Timeout
  #downSince: number | undefined
  #lastError: unknown
  #saidAt = 0

  private constructor(address: Address, client: Redis | Cluster, options: ConnectionOptions) {
    this.address = address
    this.client = client
    this.#options = options
    client.on('error', (error: unknown) => this.#failed(error))
    client.on('close', () => (this.#downSince ??= Date.now()))
    client.on('ready', () => this.#recovered())
    this.#timer = setInterval(() => this.#watch(), SECOND).unref()
  }

  /**
   * Connects, and finds out whether it is a cluster. @throws SluiceError QUEUE_UNAVAILABLE, QUEUE_REFUSED
   * or QUEUE_FULL after a few seconds: an address that is wrong stays wrong
   */
  static async open(address: Address, options: ConnectionOptions): Promise<Connection> {
    const first = await Connection.#connect(address, options, false)
    const facts = first === undefined ? '' : await first.client.info().catch(() => '')
    if (first !== undefined && !/^cluster_enabled:1/m.test(facts)) {
      first.#warnOfEviction(facts)
      return first
    }
    await first?.close()
    const cluster = await Connection.#connect(address, options, true)
    if (cluster === undefined) throw queueFailure(new Error('MOVED'), address.name).error
    return cluster
  }

  /** Undefined if the address is a node of a cluster that answers for other nodes. */
  static async #connect(address: Address, options: ConnectionOptions, isCluster: boolean) {
    const connection = new Connection(address, clientFor(address, isCluster), options)
    try {
      await connection.#probe()
      return connection
    } catch (error) {
      await connection.close()
      if (!isCluster && String(error).includes('MOVED')) return undefined
      throw await tlsMistake(error, address)
    }
  }

  /** Milliseconds that a command waits for a Redis that is down or full. */
  get patience(): number {
    return this.#options.patience
  }

  /** A key in Redis. All keys of a cluster are in one slot, because of the braces in the prefix. */
  key(...names: (string | number)[]): string {
    return [this.address.prefix, ...names].join(':')
  }

  /**
   * Carries out commands. They may be carried out more than once: when a connection breaks, nobody knows
   * whether Redis has got them.
   * @throws SluiceError if Redis refuses them, or was away for longer than the patience
   */
  async call<Result>(commands: () => Promise<Result>): Promise<Result> {
    const since = Date.now()
    for (let wait = 100; ; wait = Math.min(2 * SECOND, wait * 2)) {
      try {
        this.#end.signal.throwIfAborted()
        const result = await orAbort(commands(), this.#end.signal)
        if (this.#downSince === undefined) this.#recovered()
        return result
      } catch (thrown) {
        if (this.#end.signal.aborted) throw this.#end.signal.reason
        if (isReplyOfBullmq(thrown)) throw thrown
        const { error, isTransient } = queueFailure(thrown, this.address.name)
        if (!isTransient || Date.now() - since > this.#options.patience) throw error
        this.#say(error)
        await sleep(wait, undefined, { signal: this.#end.signal }).catch(() => undefined)
      }
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#end.abort(new SluiceError('QUEUE_UNAVAILABLE', `the connection to ${this.address.name} is closed`))
    this.client.on('error', () => {})
    this.client.disconnect()
  }

  /** A write, because a replica answers everything else. */
  async #probe(): Promise<void> {
    const until = Date.now() + Math.min(FIRST_PATIENCE, this.#options.patience)
    const key = this.key('probe', randomUUID())
    for (;;) {
      try {
        const given = anySignal(this.#end.signal, AbortSignal.timeout(Math.max(1, until - Date.now())))
        await orAbort(this.client.set(key, '1', 'PX', SECOND), given)
        return
      } catch (thrown) {
        if (this.#end.signal.aborted) throw this.#end.signal.reason
        if (String(thrown).includes('MOVED')) throw thrown
        const isTimeout = thrown instanceof Error && thrown.name === 'TimeoutError'
        const { error, isTransient } = queueFailure(isTimeout ? (this.#lastError ?? thrown) : thrown, this.address.name)
        if (!isTransient || Date.now() >= until || /OOM|READONLY/.test(String(thrown))) throw error
        await sleep(200)
      }
    }
  }

  #failed(thrown: unknown): void {
    this.#lastError = thrown
    const { error, isTransient } = queueFailure(thrown, this.address.name)
    if (!isTransient) this.#end.abort(error)
  }

  #watch(): void {
    if (this.#downSince === undefined) return
    const { error } = queueFailure(this.#lastError ?? new Error('no answer'), this.address.name)
    const away = Date.now() - this.#downSince
    if (away > this.#options.patience) this.#end.abort(error)
    else if (away > 2 * SECOND) this.#say(error)
  }

  #recovered(): void {
    if (this.#saidAt !== 0) this.#options.note('queue.up', { queue: this.address.name })
    this.#saidAt = 0
    this.#downSince = undefined
    this.#lastError = undefined
  }

  #say(error: SluiceError): void {
    if (Date.now() - this.#saidAt < MINUTE) return
    this.#saidAt = Date.now()
    this.#options.note('queue.down', { error: error.code, reason: error.message })
  }

  #warnOfEviction(facts: string): void {
    const [, policy = 'noeviction'] = /^maxmemory_policy:(\S+)/m.exec(facts) ?? []
    if (policy === 'noeviction' || /^maxmemory:0\s/m.test(facts)) return
    this.#options.note('queue.eviction', { policy })
  }
}

/** Any number of commands may wait. */
function endless(): AbortController {
  const controller = new AbortController()
  setMaxListeners(0, controller.signal)
  return controller
}

/** Milliseconds until an address that nobody answers at is an error. */
const FIRST_PATIENCE = 10 * SECOND

function clientFor({ options }: Address, isCluster: boolean): Redis | Cluster {
  const common: RedisOptions = {
    // Commands wait for a connection: the patience ends them.
    maxRetriesPerRequest: null,
    // It asks for INFO, which a user may not be allowed; LOADING is a reply like others.
    enableReadyCheck: false,
    keepAlive: 10 * SECOND,
    connectTimeout: 5 * SECOND,
    // A connection whose other end is gone without a word.
    socketTimeout: MINUTE,
    connectionName: 'sluice',
    // After a failover the name leads to the new primary.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  }
  if (!isCluster) return new Redis({ ...common, ...options, retryStrategy })
  const { host = '', port = 6379, path: _path, db: _db, ...rest } = options
  return new Cluster([{ host, port }], {
    redisOptions: { ...common, ...rest },
    clusterRetryStrategy: retryStrategy,
    enableReadyCheck: false,
  })
}

/** Milliseconds until the next attempt to connect. */
function retryStrategy(times: number): number {
  return Math.min(2 * SECOND, 50 * 2 ** Math.min(times, 10))
}

/** A job that is gone or locked by another one: an answer, not a failure of Redis. */
function isReplyOfBullmq(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'number'
}

/** Leaves no listener: the signal lives as long as the connection. */
function orAbort<Result>(promise: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

/**
 * A port that expects TLS closes a plain connection without a word, and one that does not waits for the
 * end of a command in what it gets.
 */
async function tlsMistake(error: unknown, { name, options }: Address): Promise<unknown> {
  const { host, port = 6379, tls } = options
  if (!(error instanceof SluiceError) || error.code !== 'QUEUE_UNAVAILABLE' || host === undefined) return error
  const isOther = tls ? await answersInPlain(host, port) : await speaksTls({ hostname: host, port: String(port) })
  if (!isOther) return error
  const [what, hint] = tls
    ? ['does not speak TLS', 'write redis:// in place of rediss://']
    : ['speaks TLS', 'write rediss:// in place of redis://']
  return new SluiceError('QUEUE_REFUSED', `${name} ${what}`, { cause: error, hint })
}

/** True if a Redis answers without TLS; it may refuse the command. */
function answersInPlain(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 2 * SECOND }, () => socket.write('PING\r\n'))
    const end = (answer: boolean) => {
      resolve(answer)
      socket.destroy()
    }
    socket.once('data', (data) => end(/^[+-]/.test(data.toString('latin1'))))
    for (const event of ['error', 'timeout', 'close']) socket.once(event, () => end(false))
  })
}
