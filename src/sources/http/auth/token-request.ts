import { randomUUID } from 'node:crypto'
import type { ClientAuth } from 'oauth4webapi'
import { learnSecret } from '../../../observe/secrets.ts'
import { basicOf } from './authorizer.ts'
import type { TokenAuth } from './fields.ts'
import type { SigningKey } from './signing-key.ts'

const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** How many seconds an assertion is valid. It is used at once; servers refuse long ones. */
const ASSERTION_LIFE = 300

export interface GrantInput {
  readonly signingKey: SigningKey | undefined
  readonly refreshToken: string | undefined
  /** The server's time, in seconds since 1970. */
  readonly now: number
}

interface Grant {
  readonly grantType: string
  readonly parameters: URLSearchParams
  readonly clientAuth: ClientAuth
}

/** What to ask the token endpoint for, and how the client identifies itself. */
export async function grantOf(auth: TokenAuth, input: GrantInput): Promise<Grant> {
  const { grant_type: grantType = 'client_credentials', ...more } = auth.parameters ?? {}
  const parameters = new URLSearchParams({ ...more, ...(auth.scope === undefined ? {} : { scope: auth.scope }) })
  const clientAuth = clientAuthOf(auth, input)
  if (auth.type === 'oauth2ClientCredentials') return { grantType, parameters, clientAuth }
  if (auth.type === 'oauth2RefreshToken') {
    parameters.set('refresh_token', input.refreshToken ?? '')
    return { grantType: 'refresh_token', parameters, clientAuth }
  }
  const { issuer = input.signingKey?.issuer ?? '', subject, scope, claims } = auth
  const assertion = await sign(auth, input, {
    ...claims,
    iss: issuer,
    ...(subject === undefined ? {} : { sub: subject }),
    ...(scope === undefined ? {} : { scope }),
  })
  parameters.set('assertion', assertion)
  return { grantType: JWT_BEARER, parameters, clientAuth }
}

function clientAuthOf(auth: TokenAuth, input: GrantInput): ClientAuth {
  const { clientId, clientSecret } = auth
  if (clientId === undefined) return () => {}
  if (clientSecret !== undefined && auth.clientAuth === 'client_secret_post')
    return (_server, _client, body) => {
      body.set('client_id', clientId)
      body.set('client_secret', clientSecret)
    }
  if (clientSecret !== undefined) {
    const basic = basicOf(formEncode(clientId), formEncode(clientSecret))
    learnSecret(basic)
    return (_server, _client, _body, headers) => headers.set('authorization', `Basic ${basic}`)
  }
  return async (_server, _client, body) => {
    // A client without a secret identifies itself in the body (RFC 6749, 3.2.1).
    body.set('client_id', clientId)
    if (input.signingKey === undefined || auth.type === 'oauth2JwtBearer') return
    body.set('client_assertion_type', ASSERTION_TYPE)
    body.set('client_assertion', await sign(auth, input, { iss: clientId, sub: clientId }))
  }
}

/**
 * As RFC 6749, 2.3.1 has it. Leaves `-`, `_`, `.` and `~` as they are, as most clients do: servers
 * that forget to decode accept the usual ids.
 */
function formEncode(text: string): string {
  return encodeURIComponent(text)
    .replaceAll('%20', '+')
    .replaceAll(/[!'()*]/g, (char) => {
      return `%${char.charCodeAt(0).toString(16).toUpperCase()}`
    })
}

/** A JSON Web Token that is signed with the configured key. */
async function sign(
  { audience, tokenUrl }: TokenAuth,
  { signingKey, now }: GrantInput,
  claims: { readonly [name: string]: string },
): Promise<string> {
  if (signingKey === undefined) throw new Error('no key')
  const { SignJWT } = await import('jose')
  const assertion = await new SignJWT({ ...claims, aud: audience ?? tokenUrl, jti: randomUUID() })
    .setProtectedHeader(signingKey.header)
    .setIssuedAt(now)
    .setExpirationTime(now + ASSERTION_LIFE)
    .sign(signingKey.key)
  learnSecret(assertion)
  return assertion
}
