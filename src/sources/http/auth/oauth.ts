import { request } from 'undici'
import type { Dispatcher } from 'undici'
import type { SluiceError } from '../../../errors.ts'
import { hideSecrets, learnSecret } from '../../../observe/secrets.ts'
import { ResponseError, invalidResponse } from '../transport/response-error.ts'
import { basicOf, withHeader } from './authorizer.ts'
import type { Authorizer } from './authorizer.ts'
import type { TokenAuth } from './fields.ts'
import { readShort, readStart } from '../transport/body.ts'
import { Deadline } from '../transport/deadline.ts'
import { isRetryable, networkError } from '../transport/retryable.ts'
import type { HttpOptions } from '../options.ts'
import { parseRetryAfter } from '../transport/rate-limit.ts'
import type { PreparedRequest } from '../transport/request.ts'
import { TokenFile } from './token-file.ts'
import { headerText, member, parseJson } from '../transport/json-values.ts'
import { MINUTE } from '../../../time.ts'

/**
 * OAuth 2.0 client credentials and refresh tokens (RFC 6749, 4.4 and 6). All requests share one
 * access token. It is fetched once for all that wait, and again shortly before it expires or after
 * a 401.
 */
export function createTokenAuthorizer(auth: TokenAuth, connection: TokenConnection): Authorizer {
  let token: Token | undefined
  let fetching: Promise<Token> | undefined
  const endpoint = new TokenEndpoint(auth, connection)

  return {
    async authorize(prepared, signal) {
      if (token === undefined || performance.now() >= token.renewAt) {
        fetching ??= endpoint.fetch(signal).finally(() => {
          fetching = undefined
        })
        token = await fetching
      }
      return withHeader(prepared, 'authorization', bearer(token))
    },
    renew({ headers }: PreparedRequest) {
      if (token !== undefined && bearer(token) === headers['authorization']) token = undefined
      return true
    },
    secrets: () => [...endpoint.secrets, ...(token === undefined ? [] : [token.text])],
  }
}

export interface TokenConnection {
  readonly dispatcher: Dispatcher
  /** Milliseconds for one token. */
  readonly timeout: number
  readonly statuses: HttpOptions['retry']['statuses']
}

interface Token {
  readonly text: string
  /** By `performance.now()`. */
  readonly renewAt: number
}

/** Fetches access tokens. A new refresh token is durable before its access token is used. */
class TokenEndpoint {
  readonly #auth: TokenAuth
  readonly #connection: TokenConnection
  /** The file with the refresh token; undefined with client credentials. */
  readonly #file: TokenFile | undefined
  /** Texts to hide in messages, every refresh token so far included. */
  readonly secrets: string[] = []

  constructor(auth: TokenAuth, connection: TokenConnection) {
    this.#auth = auth
    this.#connection = connection
    const { clientId, clientSecret } = auth
    if (clientSecret !== undefined && clientSecret !== '')
      this.secrets.push(clientSecret, basicOf(clientId, clientSecret))
    if (auth.type !== 'oauth2RefreshToken') return
    this.#file = new TokenFile(auth.tokenFile, auth.refreshToken)
    this.secrets.push(auth.refreshToken)
  }

  /** The deadline is its own: all requests that wait for a token share one, and one can give up. */
  async fetch(signal: AbortSignal): Promise<Token> {
    const deadline = new Deadline(this.#connection.timeout, signal)
    try {
      return await this.#fetch(deadline)
    } finally {
      deadline.close()
    }
  }

  async #fetch(deadline: Deadline): Promise<Token> {
    const { tokenUrl, clientId, clientSecret } = this.#auth
    const what = `the response of the token endpoint ${tokenUrl}`
    const refreshToken = this.#file && (await deadline.wait(this.#file.read(), 'reading auth.tokenFile'))
    if (refreshToken !== undefined) this.#hide(refreshToken)
    const { statusCode, headers, body } = await deadline
      .wait(
        request(tokenUrl, {
          method: 'POST',
          headers: {
            ...(clientSecret === undefined ? {} : { authorization: `Basic ${basicOf(clientId, clientSecret)}` }),
            accept: 'application/json',
            'content-type': 'application/x-www-form-urlencoded',
          },
          body: this.#form(refreshToken),
          dispatcher: this.#connection.dispatcher,
          signal: deadline.signal,
        }),
        what,
      )
      .catch((error: unknown) => {
        if (deadline.signal.aborted) throw error
        throw networkError(error, new URL(tokenUrl), (text) => hideSecrets(text, this.secrets))
      })
    const encoding = headerText(headers['content-encoding'])
    if (statusCode !== 200) throw this.#refusal(statusCode, headers, await readStart(body, encoding, deadline))
    const text = await deadline.wait(readShort(body, encoding), what)
    const grant = parseJson(text)
    const next = member(grant, 'refresh_token')
    if (typeof next === 'string' && next !== '' && next !== refreshToken) {
      this.#hide(next)
      await this.#file?.write(next)
    }
    return this.#tokenOf(grant)
  }

  #hide(token: string): void {
    learnSecret(token)
    this.secrets.push(token)
  }

  #form(refreshToken: string | undefined): string {
    const { clientId, clientSecret, scope } = this.#auth
    const form = new URLSearchParams(
      refreshToken === undefined
        ? { grant_type: 'client_credentials' }
        : { grant_type: 'refresh_token', refresh_token: refreshToken },
    )
    // A client without a secret identifies itself in the body (RFC 6749, 3.2.1).
    if (clientSecret === undefined) form.set('client_id', clientId)
    if (scope !== undefined) form.set('scope', scope)
    return form.toString()
  }

  #refusal(
    status: number,
    headers: { readonly [name: string]: string | string[] | undefined },
    text: string,
  ): SluiceError {
    const name = /"error"\s*:\s*"(\w{1,60})"/.exec(text)?.[1]
    const reason = name === undefined ? '' : ` (${hideSecrets(name, this.secrets)})`
    const message = `the token endpoint ${this.#auth.tokenUrl} returned ${status}${reason}`
    const secret = this.#file === undefined ? 'the client secret' : 'the refresh token'
    const hint = status < 500 && status !== 429 ? `: check the client id, ${secret} and the scope` : ''
    const retryAfter = parseRetryAfter(headerText(headers['retry-after']), headerText(headers['date']))
    return new ResponseError(message + hint, {
      retryable: isRetryable(status, retryAfter, this.#connection.statuses),
      retryAfter,
    })
  }

  #tokenOf(grant: unknown): Token {
    const token = member(grant, 'access_token')
    if (typeof token !== 'string' || token === '')
      throw invalidResponse(`the token endpoint ${this.#auth.tokenUrl} sent no access_token`)
    learnSecret(token)
    const seconds = Number(member(grant, 'expires_in') ?? Infinity)
    const life = (seconds > 0 ? seconds : 0) * 1000
    return { text: token, renewAt: performance.now() + life - Math.min(EARLY, life / 10) }
  }
}

/**
 * A token is renewed this long before it expires, so that it does not expire in transit. In
 * milliseconds.
 */
const EARLY = MINUTE

function bearer(token: Token): string {
  return `Bearer ${token.text}`
}
