import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Clock } from './clock.ts'
import { HttpError } from './http-error.ts'
import type { Organization } from './organization.ts'

export interface Credentials {
  readonly apiKey: string
  readonly clientId: string
  readonly clientSecret: string
}

export interface Auth {
  readonly credentials: Credentials
  /**
   * Replaces the key and the client secret. The old ones, and all tokens, are refused from now on;
   * with `keepOld` they stay valid.
   */
  readonly rotate: (options?: { readonly keepOld?: boolean }) => Credentials
  /**
   * Returns a token for a client-credentials request, or throws 400 or 401 with OAuth error names.
   */
  issueToken(headers: IncomingHttpHeaders, form: string): object
  /** Returns the organization of a request, or throws 401, 402 or 403. */
  authorize(headers: IncomingHttpHeaders): Organization
}

/**
 * One administrator key and one service account, both valid for every organization. Tokens expire
 * in server time.
 */
export function createAuth(organizations: readonly Organization[], clock: Clock, tokenSeconds: number): Auth {
  const clientId = randomBytes(12).toString('hex')
  const first = createCredentials(clientId)
  let valid: readonly Credentials[] = [first]
  const expiries = new Map<string, number>()

  function issueToken(headers: IncomingHttpHeaders, form: string): object {
    const expected = valid.map(({ clientSecret }) => Buffer.from(`${clientId}:${clientSecret}`).toString('base64'))
    if (!expected.some((basic) => headers.authorization === `Basic ${basic}`))
      throw new HttpError(401, 'invalid_client')
    const fields = new URLSearchParams(form)
    if (fields.get('grant_type') !== 'client_credentials') throw new HttpError(400, 'unsupported_grant_type')
    if (fields.get('scope') !== 'api') throw new HttpError(400, 'invalid_scope')
    const token = randomBytes(32).toString('base64url')
    expiries.set(token, clock.now() + tokenSeconds * 1000)
    return { access_token: token, expires_in: tokenSeconds, scope: 'api', token_type: 'bearer' }
  }

  function hasLiveToken(headers: IncomingHttpHeaders): boolean {
    const token = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? ''
    return (expiries.get(token) ?? -Infinity) > clock.now()
  }

  function authorize(headers: IncomingHttpHeaders): Organization {
    const byToken = hasLiveToken(headers)
    if (!byToken && !valid.some(({ apiKey }) => headers['x-api-key'] === apiKey))
      throw new HttpError(401, 'Unauthorized')
    const id = headers['x-org-id']
    if (id === undefined && (byToken || organizations.length > 1)) throw new HttpError(403, 'x-org-id is required')
    const organization = id === undefined ? organizations[0] : organizations.find((each) => each.id === id)
    if (organization === undefined) throw new HttpError(403, 'Forbidden: no access to this organization')
    if (!organization.licensed) throw new HttpError(402, 'Directory Insights is not enabled for this organization')
    return organization
  }

  function rotate({ keepOld = false }: { readonly keepOld?: boolean } = {}): Credentials {
    const next = createCredentials(clientId)
    valid = keepOld ? [...valid, next] : [next]
    if (!keepOld) expiries.clear()
    return next
  }

  return { credentials: first, rotate, issueToken, authorize }
}

function createCredentials(clientId: string): Credentials {
  return {
    apiKey: `jca_${randomBytes(18).toString('base64url')}`,
    clientId,
    clientSecret: randomBytes(24).toString('base64url'),
  }
}
