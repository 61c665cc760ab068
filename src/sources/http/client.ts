import type { Readable } from 'node:stream'
import { errors } from 'undici'
import type { Dispatcher } from 'undici'
import type { IncomingHttpHeaders } from 'undici/types/header.js'
import { SluiceError } from '../../errors.ts'
import { hideSecrets } from '../../observe/log.ts'
import { ResponseError, invalidResponse } from './transport/response-error.ts'
import { createAuthorizer } from './auth/auth.ts'
import type { Authorizer } from './auth/authorizer.ts'
import { discard, readText } from './transport/body.ts'
import { Deadline } from './transport/deadline.ts'
import { createDispatcher } from './transport/dispatcher.ts'
import { isLoopback } from './transport/loopback.ts'
import type { HttpOptions } from './options.ts'
import { parseRateLimit, parseRetryAfter } from './transport/rate-limit.ts'
import type { PreparedRequest } from './transport/request.ts'
import { headerText, member, parseJson } from './transport/json-values.ts'
import type { ApiClock } from './windows/api-clock.ts'

/** A response with a status of 2xx. Its body has not been read. */
export interface ApiResponse {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Readable
}

/**
 * Sends requests with credentials, follows no redirects, and turns error responses into errors that
 * name a way out.
 */
export class Client {
  readonly #options: HttpOptions
  readonly #clock: ApiClock
  readonly #dispatcher: Dispatcher
  readonly #authorizer: Authorizer

  constructor(options: HttpOptions, clock: ApiClock) {
    this.#options = options
    this.#clock = clock
    this.#dispatcher = createDispatcher(options)
    this.#authorizer = createAuthorizer(options.auth)
  }

  /**
   * Sends one request. After a 401, sends it once more if the credentials can be renewed.
   * @throws SluiceError SOURCE_UNAVAILABLE or SOURCE_REFUSED; a `ResponseError` if there was a
   * response.
   */
  async send(request: PreparedRequest, deadline: Deadline, signal: AbortSignal): Promise<ApiResponse> {
    this.#checkSafe(request.url)
    const { auth } = this.#options
    if (auth !== undefined && 'tokenUrl' in auth) this.#checkSafe(new URL(auth.tokenUrl))
    const first = await this.#authorizer.authorize(request, { dispatcher: this.#dispatcher, signal })
    const response = await this.#exchange(first, deadline, signal)
    if (response.status !== 401 || !this.#authorizer.renew(first)) return this.#accept(first, response)
    discard(response.body)
    const second = await this.#authorizer.authorize(request, { dispatcher: this.#dispatcher, signal })
    return this.#accept(second, await this.#exchange(second, deadline, signal))
  }

  /** Sends a request whose response is short, such as a count. */
  async fetchText(
    request: PreparedRequest,
    signal: AbortSignal,
  ): Promise<{ headers: IncomingHttpHeaders; text: string }> {
    const deadline = new Deadline(this.#options.timeout.request, signal)
    try {
      const { headers, body } = await this.send(request, deadline, signal)
      const text = await deadline.wait(readText(body, headerText(headers['content-encoding'])))
      return { headers, text: text ?? '' }
    } finally {
      deadline.close()
    }
  }

  /** Closes all connections at once. */
  async close(): Promise<void> {
    await this.#dispatcher.destroy()
  }

  #checkSafe({ protocol, hostname, origin }: URL): void {
    if (protocol === 'https:' || this.#options.allowInsecure || isLoopback(hostname)) return
    throw new SluiceError(
      'SOURCE_REFUSED',
      `${origin} is not https: nothing was sent, since anyone on the network could read the credentials`,
    )
  }

  async #exchange(request: PreparedRequest, deadline: Deadline, signal: AbortSignal): Promise<ApiResponse> {
    const { method, url, headers, body } = request
    try {
      const response = await deadline.wait(
        this.#dispatcher.request({
          origin: url.origin,
          path: url.pathname + url.search,
          method,
          headers,
          body: body ?? null,
          signal: deadline.signal,
        }),
      )
      this.#clock.observe(response.headers['date'])
      return { status: response.statusCode, headers: response.headers, body: response.body }
    } catch (error) {
      if (error instanceof SluiceError || signal.aborted) throw error
      const message = this.#hide(messageOf(error), request)
      if (error instanceof errors.InvalidArgumentError)
        throw new SluiceError('SOURCE_FAILED', `the request cannot be sent: ${message}`)
      throw invalidResponse(`no response from ${url.origin}: ${message}`, error)
    }
  }

  /** The response itself if its status is 2xx. @throws ResponseError */
  async #accept(request: PreparedRequest, response: ApiResponse): Promise<ApiResponse> {
    const { status, headers, body } = response
    if (status >= 200 && status < 300) return response
    if (status >= 300 && status < 400) {
      discard(body)
      throw new ResponseError(
        status,
        `${label(request)} returned ${status}, a redirect${targetOf(headers['location'], request.url)}: redirects are not followed, since they would receive the credentials`,
      )
    }
    const said = this.#hide(messageIn(await readText(body, headerText(headers['content-encoding']))), request)
    const parts = [
      `${label(request)} returned ${status}`,
      this.#options.explain?.(status),
      said && `the API says "${said}"`,
    ]
    const id = headerText(headers['x-request-id']) ?? headerText(headers['request-id'])
    const message = parts.filter((part) => part !== undefined && part !== '').join(': ')
    const retryAfter =
      parseRetryAfter(headerText(headers['retry-after']), headerText(headers['date'])) ?? parseRateLimit(headers)
    throw new ResponseError(
      status,
      id === undefined ? message : `${message} (request id ${this.#hide(id, request)})`,
      retryAfter,
    )
  }

  /** Servers quote requests in their errors. */
  #hide(text: string, { headers }: PreparedRequest): string {
    const sent = Object.entries(headers).flatMap(([name, value]) => (PLAIN_HEADERS.has(name) ? [] : [value]))
    return hideSecrets(text, [...sent, ...this.#authorizer.secrets()])
  }
}

const PLAIN_HEADERS: ReadonlySet<string> = new Set(['accept', 'accept-encoding', 'content-type', 'user-agent'])

/** Names a request in messages. Leaves out the query, which may hold keys. */
function label({ method, url }: PreparedRequest): string {
  return `${method} ${url.origin}${url.pathname}`
}

function targetOf(location: string | string[] | undefined, base: URL): string {
  const text = headerText(location)
  return text !== undefined && URL.canParse(text, base.href) ? ` to ${new URL(text, base).origin}` : ''
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The error message in a body. The rest of the body is left out, since bodies echo requests. */
function messageIn(text: string | undefined): string {
  const value = parseJson(text ?? '')
  const error = member(value, 'error')
  const said = [member(value, 'message'), error, member(error, 'message'), member(value, 'error_description')]
  const message = said.find((candidate): candidate is string => typeof candidate === 'string') ?? ''
  // oxlint-disable-next-line no-control-regex -- removes control characters
  return message.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').slice(0, 300)
}
