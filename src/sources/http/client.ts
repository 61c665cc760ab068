import type { Readable } from 'node:stream'
import { errors } from 'undici'
import type { Dispatcher } from 'undici'
import type { IncomingHttpHeaders } from 'undici/types/header.js'
import { SluiceError } from '../../errors.ts'
import { hideSecrets } from '../../observe/log.ts'
import { AnswerError, badAnswer } from './transport/response-error.ts'
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

/** A good answer whose body has not been read. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Readable
}

/** Sends requests with their credentials, never elsewhere than asked, and tells what a refusal means. */
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
   * One request; after a 401 one more with a new token, where there is one.
   * @throws SluiceError SOURCE_UNAVAILABLE or SOURCE_REFUSED, an `AnswerError` when it was answered.
   */
  async send(request: PreparedRequest, deadline: Deadline, signal: AbortSignal): Promise<Answer> {
    this.#checkSafe(request.url)
    const { tokenUrl } = this.#options.auth ?? {}
    if (tokenUrl !== undefined) this.#checkSafe(new URL(tokenUrl))
    const first = await this.#authorizer.authorize(request, { dispatcher: this.#dispatcher, signal })
    const answer = await this.#exchange(first, deadline, signal)
    if (answer.status !== 401 || !this.#authorizer.renew(first)) return this.#judge(first, answer)
    discard(answer.body)
    const second = await this.#authorizer.authorize(request, { dispatcher: this.#dispatcher, signal })
    return this.#judge(second, await this.#exchange(second, deadline, signal))
  }

  /** A request with a short answer. */
  async ask(request: PreparedRequest, signal: AbortSignal): Promise<{ headers: IncomingHttpHeaders; text: string }> {
    const deadline = new Deadline(this.#options.timeout.request, signal)
    try {
      const { headers, body } = await this.send(request, deadline, signal)
      const text = await deadline.wait(readText(body, headerText(headers['content-encoding'])))
      return { headers, text: text ?? '' }
    } finally {
      deadline.close()
    }
  }

  /** Ends all connections at once. */
  async close(): Promise<void> {
    await this.#dispatcher.destroy()
  }

  #checkSafe({ protocol, hostname, origin }: URL): void {
    if (protocol === 'https:' || this.#options.allowInsecure || isLoopback(hostname)) return
    throw new SluiceError(
      'SOURCE_REFUSED',
      `${origin} is not https, and is not asked: the credentials would be readable on their way`,
    )
  }

  async #exchange(request: PreparedRequest, deadline: Deadline, signal: AbortSignal): Promise<Answer> {
    const { method, url, headers, body } = request
    try {
      const answer = await deadline.wait(
        this.#dispatcher.request({
          origin: url.origin,
          path: url.pathname + url.search,
          method,
          headers,
          body: body ?? null,
          signal: deadline.signal,
        }),
      )
      this.#clock.answered(answer.headers['date'])
      return { status: answer.statusCode, headers: answer.headers, body: answer.body }
    } catch (error) {
      if (error instanceof SluiceError || signal.aborted) throw error
      const message = this.#hide(messageOf(error), request)
      if (error instanceof errors.InvalidArgumentError)
        throw new SluiceError('SOURCE_FAILED', `the request cannot be sent: ${message}`)
      throw badAnswer(`no answer from ${url.origin}: ${message}`, error)
    }
  }

  async #judge(request: PreparedRequest, answer: Answer): Promise<Answer> {
    const { status, headers, body } = answer
    if (status >= 200 && status < 300) return answer
    if (status >= 300 && status < 400) {
      discard(body)
      throw new AnswerError(
        status,
        `${place(request)} answered ${status} and points to another address${originOf(headers['location'], request.url)}: redirects are not followed, since the credentials would go with them`,
      )
    }
    const said = this.#hide(messageIn(await readText(body, headerText(headers['content-encoding']))), request)
    const parts = [
      `${place(request)} answered ${status}`,
      this.#options.explain?.(status),
      said && `the API says "${said}"`,
    ]
    const id = headerText(headers['x-request-id']) ?? headerText(headers['request-id'])
    const message = parts.filter((part) => part !== undefined && part !== '').join(': ')
    const retryAfter =
      parseRetryAfter(headerText(headers['retry-after']), headerText(headers['date'])) ?? parseRateLimit(headers)
    throw new AnswerError(
      status,
      id === undefined ? message : `${message} (request id ${this.#hide(id, request)})`,
      retryAfter,
    )
  }

  /** Servers quote what they were sent. */
  #hide(text: string, { headers }: PreparedRequest): string {
    const sent = Object.entries(headers).flatMap(([name, value]) => (PLAIN_HEADERS.has(name) ? [] : [value]))
    return hideSecrets(text, [...sent, ...this.#authorizer.secrets()])
  }
}

const PLAIN_HEADERS: ReadonlySet<string> = new Set(['accept', 'accept-encoding', 'content-type', 'user-agent'])

/** A request for messages: the query of its URL may hold keys. */
function place({ method, url }: PreparedRequest): string {
  return `${method} ${url.origin}${url.pathname}`
}

function originOf(location: string | string[] | undefined, base: URL): string {
  const text = headerText(location)
  return text !== undefined && URL.canParse(text, base.href) ? ` (${new URL(text, base).origin})` : ''
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The message of an error body as APIs write it; nothing else of it, since bodies echo requests. */
function messageIn(text: string | undefined): string {
  const value = parseJson(text ?? '')
  const error = member(value, 'error')
  const said = [member(value, 'message'), error, member(error, 'message'), member(value, 'error_description')]
  const message = said.find((candidate): candidate is string => typeof candidate === 'string') ?? ''
  // oxlint-disable-next-line no-control-regex -- control characters are what must go
  return message.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').slice(0, 300)
}
