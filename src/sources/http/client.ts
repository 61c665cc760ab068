import type { Readable } from 'node:stream'
import { SluiceError } from '../../errors.ts'
import { hideSecrets } from '../../observe/secrets.ts'
import { ResponseError } from './transport/response-error.ts'
import { isRetryable, networkError } from './transport/retryable.ts'
import { createAuthorizer } from './auth/auth.ts'
import type { Authorizer } from './auth/authorizer.ts'
import { discard, readShort, readStart } from './transport/body.ts'
import { Deadline, limitName } from './transport/deadline.ts'
import { openConnections } from './transport/dispatcher.ts'
import type { Connections } from './transport/dispatcher.ts'
import { errorTextIn } from './transport/error-text.ts'
import { isLoopback } from '../../network/tls.ts'
import type { HttpOptions } from './options.ts'
import { parseRateLimit, parseRetryAfter } from './transport/rate-limit.ts'
import type { PreparedRequest } from './transport/request.ts'
import { headerText } from './transport/json-values.ts'
import type { ExchangeLayer, ExchangeResponse } from '../../network/exchange.ts'
import { MINUTE } from '../../time.ts'
import type { Clock } from '../../clock.ts'
import type { ApiClock } from './windows/api-clock.ts'

/** A response with a status of 2xx. Its body has not been read. */
export interface ApiResponse {
  readonly status: number
  readonly headers: ExchangeResponse['headers']
  readonly body: Readable
}

interface ClientContext {
  readonly clock: ApiClock
  readonly time: Clock
  readonly exchange?: ExchangeLayer | undefined
  /** The API has answered an earlier client. */
  readonly hasAnswered: boolean
}

/**
 * Sends requests with credentials, follows no redirects, and turns error responses into errors that
 * name a way out.
 */
export class Client {
  readonly #options: HttpOptions
  readonly #clock: ApiClock
  readonly #connections: Connections
  readonly #authorizer: Authorizer
  #hasAnswered: boolean

  constructor(options: HttpOptions, { clock, time, exchange, hasAnswered }: ClientContext) {
    this.#options = options
    this.#hasAnswered = hasAnswered
    this.#clock = clock
    this.#connections = openConnections(options, exchange)
    this.#authorizer = createAuthorizer(options, { send: this.#connections.send, time })
  }

  /**
   * Sends one request. After a 401, sends it once more if the credentials can be renewed. All of it
   * counts towards the deadline.
   * @throws SluiceError SOURCE_UNAVAILABLE or SOURCE_REFUSED; a `ResponseError` if there was a
   * response.
   */
  async send(request: PreparedRequest, deadline: Deadline, signal: AbortSignal): Promise<ApiResponse> {
    this.#checkSafe(request.url)
    const { auth } = this.#options
    if (auth !== undefined && 'tokenUrl' in auth) this.#checkSafe(new URL(auth.tokenUrl))
    const authorize = () => deadline.count(this.#authorizer.authorize(request, signal))
    const first = await authorize()
    const response = await this.#exchange(first, deadline)
    if (response.status !== 401 || !this.#authorizer.renew(first)) return this.#accept(first, response, deadline)
    discard(response.body)
    const second = await authorize()
    return this.#accept(second, await this.#exchange(second, deadline), deadline)
  }

  /**
   * Sends a request for a count. It gets a minute at most, its access token included: records wait
   * for it.
   */
  async fetchCount(
    request: PreparedRequest,
    signal: AbortSignal,
  ): Promise<{ headers: ApiResponse['headers']; text: string }> {
    const { request: whole } = this.#options.timeout
    const setting = whole <= COUNT_LIMIT ? 'timeout.request' : 'the limit for a count'
    const deadline = new Deadline(Math.min(whole, COUNT_LIMIT), signal, limitName(request.url, setting))
    const fetch = async () => {
      const { headers, body } = await this.send(request, deadline, signal)
      return { headers, text: await readShort(body, headerText(headers['content-encoding'])) }
    }
    try {
      return await deadline.wait(fetch())
    } finally {
      deadline.close()
    }
  }

  /** The texts that no message may contain: credentials, and what this request sent. */
  secretsOf({ headers }: PreparedRequest): string[] {
    const sent = Object.entries(headers).flatMap(([name, value]) => (PLAIN_HEADERS.has(name) ? [] : partsOf(value)))
    return [...sent, ...this.#authorizer.secrets()]
  }

  get hasAnswered(): boolean {
    return this.#hasAnswered
  }

  /** Closes the connections when the responses that are under way are complete. */
  async retire(): Promise<void> {
    await this.#connections.retire()
  }

  /** Closes all connections at once. */
  async close(): Promise<void> {
    await this.#connections.close()
  }

  #checkSafe({ protocol, hostname, origin }: URL): void {
    if (protocol === 'https:' || this.#options.allowInsecure || isLoopback(hostname)) return
    throw new SluiceError(
      'SOURCE_REFUSED',
      `${origin} is not https: nothing was sent, since anyone on the network could read the credentials`,
    )
  }

  async #exchange(request: PreparedRequest, deadline: Deadline): Promise<ApiResponse> {
    const { method, url, headers, body } = request
    try {
      const response = await deadline.wait(
        this.#connections.send({
          origin: url.origin,
          path: url.pathname + url.search,
          method,
          headers,
          body: body ?? null,
          signal: deadline.signal,
        }),
      )
      this.#hasAnswered = true
      this.#clock.observe(response.headers['date'])
      return { status: response.statusCode, headers: response.headers, body: response.body }
    } catch (error) {
      if (error instanceof SluiceError || deadline.signal.aborted) throw error
      const hide = (text: string) => hideSecrets(text, this.secretsOf(request))
      throw await networkError(error, { url, hasAnswered: this.#hasAnswered, hide })
    }
  }

  /** The response itself if its status is 2xx. @throws ResponseError */
  async #accept(request: PreparedRequest, response: ApiResponse, deadline: Deadline): Promise<ApiResponse> {
    const { status, headers, body } = response
    if (status >= 200 && status < 300) return response
    if (status >= 300 && status < 400) {
      discard(body)
      throw new ResponseError(
        `${label(request)} returned ${status}, a redirect${targetOf(headers['location'], request.url)}: redirects are not followed, since they would receive the credentials`,
        { status, retryable: false },
      )
    }
    const start = await readStart(body, headerText(headers['content-encoding']), deadline)
    const secrets = this.secretsOf(request)
    const said = errorTextIn(start, headerText(headers['content-type']), secrets)
    const parts = [
      `${label(request)} returned ${status}`,
      this.#options.explain?.(status),
      said && `the API says "${said}"`,
    ]
    const id = headerText(headers['x-request-id']) ?? headerText(headers['request-id'])
    const message = parts.filter((part) => part !== undefined && part !== '').join(': ')
    const retryAfter =
      parseRetryAfter(headerText(headers['retry-after']), headerText(headers['date'])) ?? parseRateLimit(headers)
    throw new ResponseError(id === undefined ? message : `${message} (request id ${hideSecrets(id, secrets)})`, {
      status,
      retryable: isRetryable(status, retryAfter, this.#options.retry.statuses),
      retryAfter,
    })
  }
}

/** Milliseconds. */
const COUNT_LIMIT = MINUTE

const PLAIN_HEADERS: ReadonlySet<string> = new Set(['accept', 'accept-encoding', 'content-type', 'user-agent'])

/** A header such as `Bearer abc` as a whole, and its words, since an error may quote the token alone. */
function partsOf(value: string): string[] {
  return [value, ...value.split(/\s+/).filter((word) => word.length >= SHORTEST_TOKEN)]
}

const SHORTEST_TOKEN = 8

/** Names a request in messages. Leaves out the query, which may hold keys. */
function label({ method, url }: PreparedRequest): string {
  return `${method} ${url.origin}${url.pathname}`
}

function targetOf(location: string | string[] | undefined, base: URL): string {
  const text = headerText(location)
  return text !== undefined && URL.canParse(text, base.href) ? ` to ${new URL(text, base).origin}` : ''
}
