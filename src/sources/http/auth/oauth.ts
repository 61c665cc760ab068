import { request } from 'undici'
import type { SluiceError } from '../../../errors.ts'
import { hideSecrets } from '../../../observe/log.ts'
import { ResponseError, invalidResponse } from '../transport/response-error.ts'
import { basicOf } from './authorizer.ts'
import { withHeader } from './authorizer.ts'
import type { AuthContext } from './authorizer.ts'
import type { Authorizer } from './authorizer.ts'
import { readText } from '../transport/body.ts'
import type { AuthOptions } from '../options.ts'
import { parseRetryAfter } from '../transport/rate-limit.ts'
import type { PreparedRequest } from '../transport/request.ts'
import { TokenFile } from './token-file.ts'
import { headerText, member, parseJson } from '../transport/json-values.ts'

/**
 * OAuth 2.0 client credentials and refresh tokens (RFC 6749, 4.4 and 6): one access token for all, fetched once however many wait for it, and
 * again shortly before it expires or when it is refused.
 */
export function createTokenAuthorizer(auth: AuthOptions): Authorizer {
  let token: Token | undefined
  let fetching: Promise<Token> | undefined
  const endpoint = new TokenEndpoint(auth)

  return {
    async authorize(prepared, context) {
      if (token === undefined || performance.now() >= token.renewAt) {
        fetching ??= endpoint.fetch(context).finally(() => {
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

interface Token {
  readonly text: string
  /** By `performance.now()`. */
  readonly renewAt: number
}

/** Fetches access tokens; keeps a refresh token that came with one before the access token is used. */
class TokenEndpoint {
  readonly #url: string
  readonly #auth: AuthOptions
  readonly #file: TokenFile | undefined
  /** What must not appear in any message: of the refresh tokens all that were seen. */
  readonly secrets: string[]

  constructor(auth: AuthOptions) {
    const { tokenUrl = '', clientId = '', clientSecret = '', refreshToken, tokenFile } = auth
    this.#url = tokenUrl
    this.#auth = auth
    this.#file =
      refreshToken === undefined || tokenFile === undefined ? undefined : new TokenFile(tokenFile, refreshToken)
    const basic = clientSecret === '' ? [] : [clientSecret, basicOf(clientId, clientSecret)]
    this.secrets = [...basic, ...(refreshToken === undefined ? [] : [refreshToken])]
  }

  async fetch({ dispatcher, signal }: AuthContext): Promise<Token> {
    const { clientId = '', clientSecret } = this.#auth
    const refreshToken = await this.#file?.read()
    if (refreshToken !== undefined) this.secrets.push(refreshToken)
    const { statusCode, headers, body } = await request(this.#url, {
      method: 'POST',
      headers: {
        ...(clientSecret === undefined ? {} : { authorization: `Basic ${basicOf(clientId, clientSecret)}` }),
        accept: 'application/json',
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: this.#form(refreshToken),
      dispatcher,
      signal,
    }).catch((error: Error) => {
      throw signal.aborted
        ? error
        : invalidResponse(`no response from the token endpoint ${this.#url}: ${error.message}`, error)
    })
    const text = await readText(body)
    if (statusCode !== 200) throw this.#refusal(statusCode, headers, text)
    const answer = parseJson(text ?? '')
    const next = member(answer, 'refresh_token')
    if (typeof next === 'string' && next !== '' && next !== refreshToken) {
      this.secrets.push(next)
      await this.#file?.write(next)
    }
    return this.#tokenOf(answer)
  }

  #form(refreshToken: string | undefined): string {
    const { clientId = '', clientSecret, scope } = this.#auth
    const form = new URLSearchParams(
      refreshToken === undefined
        ? { grant_type: 'client_credentials' }
        : { grant_type: 'refresh_token', refresh_token: refreshToken },
    )
    // Without a secret the client is known by its id alone (RFC 6749, 3.2.1).
    if (clientSecret === undefined) form.set('client_id', clientId)
    if (scope !== undefined) form.set('scope', scope)
    return form.toString()
  }

  #refusal(
    status: number,
    headers: { readonly [name: string]: string | string[] | undefined },
    text: string | undefined,
  ): SluiceError {
    const name = /"error"\s*:\s*"(\w{1,60})"/.exec(text ?? '')?.[1]
    const told = name === undefined ? '' : ` (${hideSecrets(name, this.secrets)})`
    const message = `the token endpoint ${this.#url} answered ${status}${told}`
    const what = this.#file === undefined ? 'the client secret' : 'the refresh token'
    const hint = status < 500 && status !== 429 ? `: check the client id, ${what} and the scope` : ''
    const retryAfter = parseRetryAfter(headerText(headers['retry-after']), headerText(headers['date']))
    return new ResponseError(status, message + hint, retryAfter)
  }

  #tokenOf(answer: unknown): Token {
    const token = member(answer, 'access_token')
    if (typeof token !== 'string' || token === '')
      throw invalidResponse(`the token endpoint ${this.#url} answered without an access_token`)
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
