import { request } from 'undici'
import type { Dispatcher } from 'undici'
import type { SluiceError } from '../errors.ts'
import { AnswerError, badAnswer } from './answer-error.ts'
import { readText } from './body.ts'
import type { AuthOptions } from './options.ts'
import { member, parseJson } from './values.ts'

export interface Authorizer {
  /** The value of the authorization header, if any. */
  header(context: AuthContext): Promise<string | undefined>
  /** Gives up the credential that made this header, after a 401. False when there is no other to be had. */
  renew(header: string | undefined): boolean
  /** What must not appear in any message. */
  secrets(): string[]
}

interface AuthContext {
  readonly dispatcher: Dispatcher
  readonly signal: AbortSignal
}

export function createAuthorizer(auth: AuthOptions | undefined): Authorizer {
  if (auth === undefined) return fixed(undefined, [])
  const { type, username = '', password = '', token = '' } = auth
  if (type === 'oauth2ClientCredentials') return new ClientCredentials(auth)
  if (type === 'bearer') return fixed(`Bearer ${token}`, [token])
  const basic = basicOf(username, password)
  return fixed(`Basic ${basic}`, [password, basic])
}

function fixed(header: string | undefined, secrets: string[]): Authorizer {
  return { header: () => Promise.resolve(header), renew: () => false, secrets: () => secrets }
}

function basicOf(name: string, secret: string): string {
  return Buffer.from(`${name}:${secret}`).toString('base64')
}

interface Token {
  readonly text: string
  /** By `performance.now()`. */
  readonly renewAt: number
}

/** OAuth 2.0 client credentials (RFC 6749, 4.4): one token for all, fetched once however many wait for it, and again shortly before it expires. */
class ClientCredentials implements Authorizer {
  readonly #url: string
  readonly #basic: string
  readonly #form: string
  readonly #clientSecret: string
  #token: Token | undefined
  #fetching: Promise<Token> | undefined

  constructor({ tokenUrl = '', clientId = '', clientSecret = '', scope }: AuthOptions) {
    this.#url = tokenUrl
    this.#basic = basicOf(clientId, clientSecret)
    this.#clientSecret = clientSecret
    const form = new URLSearchParams({ grant_type: 'client_credentials' })
    if (scope !== undefined) form.set('scope', scope)
    this.#form = form.toString()
  }

  async header(context: AuthContext): Promise<string> {
    if (this.#token !== undefined && performance.now() < this.#token.renewAt) return bearer(this.#token)
    this.#fetching ??= this.#fetch(context).finally(() => {
      this.#fetching = undefined
    })
    this.#token = await this.#fetching
    return bearer(this.#token)
  }

  renew(header: string | undefined): boolean {
    if (this.#token !== undefined && bearer(this.#token) === header) this.#token = undefined
    return true
  }

  secrets(): string[] {
    return [this.#clientSecret, this.#basic, ...(this.#token === undefined ? [] : [this.#token.text])]
  }

  async #fetch({ dispatcher, signal }: AuthContext): Promise<Token> {
    const { statusCode, body } = await request(this.#url, {
      method: 'POST',
      headers: {
        authorization: `Basic ${this.#basic}`,
        accept: 'application/json',
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: this.#form,
      dispatcher,
      signal,
    }).catch((error: Error) => {
      throw signal.aborted
        ? error
        : badAnswer(`no answer from the token endpoint ${this.#url}: ${error.message}`, error)
    })
    const text = await readText(body)
    if (statusCode !== 200) throw this.#refusal(statusCode, text)
    return this.#parse(text ?? '')
  }

  #refusal(status: number, text: string | undefined): SluiceError {
    const name = /"error"\s*:\s*"(\w{1,60})"/.exec(text ?? '')?.[1]
    const message = `the token endpoint ${this.#url} answered ${status}${name === undefined ? '' : ` (${name})`}`
    const hint = status < 500 && status !== 429 ? ': check the client id, the client secret and the scope' : ''
    return new AnswerError(status, message + hint)
  }

  #parse(text: string): Token {
    const answer = parseJson(text)
    const token = member(answer, 'access_token')
    if (typeof token !== 'string' || token === '')
      throw badAnswer(`the token endpoint ${this.#url} answered without an access_token`)
    const seconds = Number(member(answer, 'expires_in') ?? Infinity)
    const life = (seconds > 0 ? seconds : 0) * 1000
    return { text: token, renewAt: performance.now() + life - Math.min(EARLY, life / 10) }
  }
}

/** Time before its end at which a token is no longer used, so that it does not expire on its way. */
const EARLY = 60_000

function bearer(token: Token): string {
  return `Bearer ${token.text}`
}
