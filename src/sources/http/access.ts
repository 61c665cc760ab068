import type { Renewal } from '../../component.ts'
import { asSluiceError, SluiceError } from '../../errors.ts'
import { WatchedFiles } from '../../fields/watched-files.ts'
import type { ExchangeLayer } from '../../network/exchange.ts'
import type { Clock } from '../../clock.ts'
import { Client } from './client.ts'
import type { HttpOptions } from './options.ts'
import { createRequestBuilder } from './transport/request.ts'
import type { RequestBuilder } from './transport/request.ts'
import { ResponseError } from './transport/response-error.ts'
import type { ApiClock } from './windows/api-clock.ts'
import type { Note } from '../../observe/messages/table.ts'

/** What requests are built and sent with. New keys replace it as a whole. */
export interface Access {
  /** Requests for records. */
  readonly requests: RequestBuilder
  /** Requests for the count of a window. */
  readonly countRequests: RequestBuilder | undefined
  /** Requests for hourly counts. */
  readonly hourRequests: RequestBuilder | undefined
  readonly client: Client
}

interface AccessOptions {
  readonly options: HttpOptions
  /** Reads the keys in files again. Undefined: the configuration has none. */
  readonly renewal: Renewal<HttpOptions> | undefined
  readonly clock: ApiClock
  readonly time: Clock
  readonly exchange: ExchangeLayer | undefined
  readonly note: Note
}

/**
 * The access to an API, with the keys and certificates that their files have now. It looks for new ones
 * before requests, and after each refusal. A key that is missing, empty or damaged changes nothing.
 */
export class AccessKeys {
  readonly #setting: AccessOptions
  /** Those that the options name: signing keys and certificates. */
  readonly #ownFiles = new WatchedFiles()
  readonly #clients = new Set<Client>()
  #options: HttpOptions
  #access: Access
  /** The last problem of a file that was logged. */
  #problem: string | undefined

  constructor(setting: AccessOptions) {
    this.#setting = setting
    this.#options = setting.options
    for (const path of filesOf(setting.options)) this.#ownFiles.add(path)
    this.#access = this.#open(setting.options)
  }

  /** The access of the keys that were read last. */
  get latest(): Access {
    return this.#access
  }

  /**
   * Sends a request. If it is refused, and there is a new key, sends it once more with that.
   * @throws SluiceError The refusal names the files of the key.
   */
  async use<Result>(send: (access: Access) => Promise<Result>): Promise<Result> {
    if (this.fileNames === '') return send(this.#access)
    await this.#look(false)
    const used = this.#access
    try {
      return await send(used)
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code !== 'SOURCE_REFUSED') throw error
      await this.#look(true)
      if (this.#access === used) throw this.#withFiles(error)
      this.#setting.note('source.key.changed', { files: this.fileNames })
      return send(this.#access)
    }
  }

  /** The files of the keys, for messages. Empty if there are none. */
  get fileNames(): string {
    return [...(this.#setting.renewal?.files ?? []), ...this.#ownFiles.paths].join(', ')
  }

  /** Reads the files again. Returns true if the keys are others than before. */
  async refresh(): Promise<boolean> {
    const before = this.#access
    await this.#look(true)
    return this.#access !== before
  }

  /** Closes all connections at once. */
  async close(): Promise<void> {
    await Promise.all([...this.#clients].map((client) => client.close()))
  }

  /** Replaces the access if keys have changed. */
  async #look(refused: boolean): Promise<void> {
    const { renewal, note } = this.#setting
    const { config = this.#options, problem } = (await renewal?.latest({ refused })) ?? {}
    const changed = this.#ownFiles.haveChanged(refused ? undefined : Date.now())
    if (config !== this.#options || changed) this.#replace(config)
    else if (problem !== undefined && problem !== this.#problem)
      note('source.key.unusable', { files: this.fileNames, reason: problem })
    this.#problem = problem
  }

  #replace(options: HttpOptions): void {
    const { note } = this.#setting
    const old = this.#access.client
    try {
      this.#access = this.#open(options)
      this.#options = options
    } catch (error) {
      const { message: reason } = asSluiceError(error, 'CONFIG_INVALID', 'the key cannot be read')
      return note('source.key.unusable', { files: this.fileNames, reason })
    }
    void old.retire().then(() => this.#clients.delete(old))
    note('source.key.read', { files: this.fileNames })
  }

  #open(options: HttpOptions): Access {
    const { clock, time, exchange } = this.#setting
    const hasAnswered = [...this.#clients].some((one) => one.hasAnswered)
    const client = new Client(options, { clock, time, exchange, hasAnswered })
    this.#clients.add(client)
    return {
      requests: createRequestBuilder(options.request, options.paginate),
      countRequests: options.count && createRequestBuilder(options.count.request, undefined),
      hourRequests: options.repair && createRequestBuilder(options.repair.request, undefined),
      client,
    }
  }

  #withFiles(error: SluiceError): SluiceError {
    const hint = `write the new key to ${this.fileNames}, whose content is the same as before`
    if (error.hint !== undefined || !isRefusal(error)) return error
    return error instanceof ResponseError ? error.withHint(hint) : error
  }
}

/** True if the API, or its token endpoint, refuses the credentials. */
export function isRefusal(error: unknown): error is SluiceError {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (at instanceof ResponseError) return !at.retryable && (at.status === undefined || REFUSES_KEYS.has(at.status))
  }
  return false
}

const REFUSES_KEYS: ReadonlySet<number> = new Set([401, 403])

function filesOf({ auth, tls }: HttpOptions): string[] {
  const { cert, key, ca } = tls ?? {}
  const ofTokens = auth !== undefined && 'tokenUrl' in auth ? [auth.keyFile, auth.certificate] : []
  return [...ofTokens, cert, key, ca].filter((path) => path !== undefined)
}
