import { asSluiceError, SluiceError } from '../../../errors.ts'
import { hideSecrets, learnSecret } from '../../../observe/secrets.ts'
import type { Exchange } from '../../../network/exchange.ts'
import { SECOND, MINUTE } from '../../../time.ts'
import type { Clock } from '../../../clock.ts'
import type { HttpOptions } from '../options.ts'
import { readShort, readStart } from '../transport/body.ts'
import { Deadline, limitName } from '../transport/deadline.ts'
import { errorTextIn } from '../transport/error-text.ts'
import { headerText, member, parseJson } from '../transport/json-values.ts'
import { parseRateLimit, parseRetryAfter } from '../transport/rate-limit.ts'
import { ResponseError, invalidResponse } from '../transport/response-error.ts'
import { isRetryable, networkError } from '../transport/retryable.ts'
import { basicOf } from './authorizer.ts'
import type { TokenAuth } from './fields.ts'
import { readSigningKey } from './signing-key.ts'
import type { SigningKey } from './signing-key.ts'
import { TokenFile } from './token-file.ts'
import { grantOf } from './token-request.ts'

export interface TokenConnection {
  readonly send: Exchange
  readonly time: Clock
  /** Milliseconds for one token. */
  readonly timeout: number
  readonly statuses: HttpOptions['retry']['statuses']
}

export interface Token {
  readonly text: string
  /** By `Clock.monotonic()`. */
  readonly renewAt: number
}

/** Fetches access tokens. A new refresh token is durable before its access token is used. */
export class TokenEndpoint {
  readonly #auth: TokenAuth
  readonly #connection: TokenConnection
  readonly #url: URL
  readonly #key: SigningKey | undefined
  /** The file with the refresh token; undefined with other grants. */
  readonly #file: TokenFile | undefined
  /** The server's clock minus ours in its latest response, in milliseconds. */
  #observedSkew = 0
  /** The same, as assertions use it: taken over once the server has refused one. */
  #skew = 0
  #hasAnswered = false
  /** Texts to hide in messages, every refresh token so far included. */
  readonly secrets: string[] = []

  constructor(auth: TokenAuth, connection: TokenConnection) {
    this.#auth = auth
    this.#connection = connection
    this.#url = new URL(auth.tokenUrl)
    this.#url.pathname = this.#url.pathname.replaceAll(/\/{2,}/g, '/')
    this.#key = readSigningKey(auth)
    const { clientId = '', clientSecret = '' } = auth
    if (clientSecret !== '') this.secrets.push(clientSecret, basicOf(clientId, clientSecret))
    if (auth.type !== 'oauth2RefreshToken') return
    this.#file = new TokenFile(auth.tokenFile, auth.refreshToken)
    this.secrets.push(auth.refreshToken)
  }

  /**
   * The deadline is its own: all requests that wait for a token share one, and one can give up.
   * @throws SluiceError SOURCE_UNAVAILABLE, SOURCE_REFUSED; STATE_DAMAGED or DISK_FAILED for the
   * file of the refresh token.
   */
  async fetch(signal: AbortSignal): Promise<Token> {
    const deadline = new Deadline(this.#connection.timeout, signal, limitName(this.#url))
    try {
      const refreshToken = this.#file && (await deadline.wait(this.#file.read(), 'reading auth.tokenFile'))
      if (refreshToken !== undefined) this.#hide(refreshToken)
      return await this.#fetch(refreshToken, deadline).catch((error: unknown) => {
        // An assertion from the future or the past is refused. Now the server's time is known.
        const isSkewed = this.#key !== undefined && Math.abs(this.#observedSkew - this.#skew) > MAX_SKEW
        if (!isSkewed || !(error instanceof ResponseError)) throw error
        this.#skew = this.#observedSkew
        return this.#fetch(refreshToken, deadline)
      })
    } finally {
      deadline.close()
    }
  }

  async #fetch(refreshToken: string | undefined, deadline: Deadline): Promise<Token> {
    const { time } = this.#connection
    const start = time.monotonic()
    const { genericTokenEndpointRequest, processGenericTokenEndpointResponse, ...oauth } = await import('oauth4webapi')
    const now = Math.floor((time.now() + this.#skew) / SECOND)
    const { grantType, parameters, clientAuth } = await grantOf(this.#auth, {
      signingKey: this.#key,
      refreshToken,
      now,
    })
    const server = { issuer: this.#url.origin, token_endpoint: this.#url.href }
    const client = { client_id: this.#auth.clientId ?? 'none' }
    let grant: unknown
    const response = await genericTokenEndpointRequest(server, client, clientAuth, grantType, parameters, {
      // `Client.send` has checked the URL.
      [oauth.allowInsecureRequests]: true,
      [oauth.customFetch]: async (_url, { headers, body }) => {
        grant = parseJson(await this.#post(headers, String(body), deadline))
        return Response.json(usualForm(grant))
      },
    })
    const next = member(grant, 'refresh_token')
    if (typeof next === 'string' && next !== '' && next !== refreshToken) {
      this.#hide(next)
      await this.#file?.write(next)
    }
    const { access_token: text } = await processGenericTokenEndpointResponse(server, client, response).catch(
      (error: unknown) => {
        throw this.#unusable(grant, error)
      },
    )
    learnSecret(text)
    return { text, renewAt: start + usefulLife(member(grant, 'expires_in')) }
  }

  /** The body of the response. */
  async #post(headers: Record<string, string>, body: string, deadline: Deadline): Promise<string> {
    const what = `the response of the token endpoint ${this.#auth.tokenUrl}`
    const request = this.#connection.send({
      origin: this.#url.origin,
      path: this.#url.pathname + this.#url.search,
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
      body,
      signal: deadline.signal,
    })
    const response = await deadline.wait(request, what).catch(async (error: unknown) => {
      if (deadline.signal.aborted) throw error
      const hide = (text: string) => hideSecrets(text, this.secrets)
      throw await networkError(error, { url: this.#url, hasAnswered: this.#hasAnswered, hide })
    })
    this.#hasAnswered = true
    const { statusCode, headers: received } = response
    const date = Date.parse(headerText(received['date']) ?? '')
    if (!Number.isNaN(date)) this.#observedSkew = date - this.#connection.time.now()
    const encoding = headerText(received['content-encoding'])
    if (statusCode >= 200 && statusCode < 300) {
      return deadline.wait(readShort(response.body, encoding), what).catch((error: unknown) => {
        const { code, message } = asSluiceError(error, 'SOURCE_UNAVAILABLE', 'the body could not be read')
        throw message.startsWith(what) ? error : new SluiceError(code, `${what}: ${message}`, { cause: error })
      })
    }
    throw this.#refusal(statusCode, received, await readStart(response.body, encoding, deadline))
  }

  #hide(token: string): void {
    learnSecret(token)
    this.secrets.push(token)
  }

  #refusal(
    status: number,
    headers: { readonly [name: string]: string | string[] | undefined },
    text: string,
  ): SluiceError {
    const said = errorTextIn(text, headerText(headers['content-type']), this.secrets)
    const reason = said === '' ? '' : ` (${said})`
    const named = member(parseJson(text), 'error')
    const code = typeof named === 'string' ? named : ''
    const retryAfter =
      parseRetryAfter(headerText(headers['retry-after']), headerText(headers['date'])) ?? parseRateLimit(headers)
    const retryable = TEMPORARY.has(code) || isRetryable(status, retryAfter, this.#connection.statuses)
    const isRedirect = status >= 300 && status < 400
    const advice = isRedirect ? 'redirects are not followed: correct tokenUrl' : this.#hintFor(code)
    const hint = retryable ? '' : `: ${advice}`
    const message = `the token endpoint ${this.#auth.tokenUrl} returned ${status}${reason}${hint}`
    return new ResponseError(message, { retryable, retryAfter })
  }

  #hintFor(code: string): string {
    const { type, clientAuth, clientSecret } = this.#auth
    switch (code) {
      case 'invalid_client': {
        if (clientSecret === undefined) return 'check the client id, the key, and that the server knows its public part'
        const other = clientAuth === 'client_secret_post' ? 'client_secret_basic' : 'client_secret_post'
        return `check the client id and the client secret, or set clientAuth: ${other}`
      }
      case 'invalid_scope':
        return 'check the scope'
      case 'unauthorized_client':
      case 'unsupported_grant_type':
        return 'check the type of auth, parameters.grant_type, and what the client may do'
      default:
        break
    }
    if (type === 'oauth2JwtBearer') return 'check issuer, subject, audience, the key and the scope'
    const secret = type === 'oauth2RefreshToken' ? 'the refresh token' : 'the client secret or key'
    return `check the client id, ${secret} and the scope`
  }

  /** For a response with status 200 that has no token we can use. */
  #unusable(grant: unknown, error: unknown): SluiceError {
    const endpoint = `the token endpoint ${this.#auth.tokenUrl}`
    const said = errorTextIn(JSON.stringify(grant ?? ''), undefined, this.secrets)
    const named = member(grant, 'error')
    if (typeof named === 'string' && TEMPORARY.has(named))
      return invalidResponse(`${endpoint} sent no access_token (${said})`, error)
    if (named !== undefined && said !== '')
      return new SluiceError('SOURCE_REFUSED', `${endpoint} sent no access_token (${said})`)
    const type = member(grant, 'token_type')
    if (typeof member(grant, 'access_token') === 'string' && typeof type === 'string')
      return new SluiceError('SOURCE_FAILED', `${endpoint} sent a token that is not a Bearer token`, { cause: error })
    return invalidResponse(`${endpoint} sent no access_token`, error)
  }
}

/** Errors of a token endpoint that may not occur again. */
const TEMPORARY: ReadonlySet<string> = new Set(['temporarily_unavailable', 'server_error', 'slow_down'])

/** Servers accept a clock that is off by this much, in milliseconds. */
const MAX_SKEW = 30 * SECOND

/**
 * The members that matter. Servers omit `token_type`, or call it `BearerToken`; `expires_in` and
 * `scope` come in forms that the standard does not allow.
 */
function usualForm(grant: unknown): object {
  const type = member(grant, 'token_type')
  const isBearer = typeof type !== 'string' || /^bearer/i.test(type)
  return { access_token: member(grant, 'access_token'), token_type: isBearer ? 'bearer' : type }
}

/**
 * Milliseconds for which a token is used. It is renewed a little before it expires, so that it does
 * not expire in transit. Without a usable `expires_in` it is used until a 401; one that is zero or
 * negative has expired already, and serves one request.
 */
function usefulLife(expiresIn: unknown): number {
  const isNumber =
    typeof expiresIn === 'number' || (typeof expiresIn === 'string' && /^-?[\d.]+$/.test(expiresIn.trim()))
  const life = isNumber ? Number(expiresIn) * SECOND : Infinity
  if (Number.isNaN(life)) return Infinity
  return life <= 0 ? 0 : life - Math.min(EARLY, life / 10)
}

/** In milliseconds. */
const EARLY = MINUTE
