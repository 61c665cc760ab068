import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { S3Error } from './errors.ts'

export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  readonly expiration?: Date
}

export interface RequestToVerify {
  readonly method: string
  /** The path as sent, still percent-encoded. */
  readonly path: string
  /** Decoded names and values, in the order sent. */
  readonly query: readonly (readonly [string, string])[]
  readonly headers: IncomingHttpHeaders
  /** For services that sign the body without a header for its hash (STS). */
  readonly payloadHash?: string
}

export interface VerifiedRequest {
  readonly accessKeyId: string
  /**
   * The value of `x-amz-content-sha256`: a hash in hex, or a keyword for the way the body is
   * signed.
   */
  readonly payload: string
  /**
   * Checks the signatures within a signed aws-chunked body, which continue from that of the
   * request.
   */
  readonly chunks: ChunkSignatures
}

export interface ChunkSignatures {
  /** @throws S3Error SignatureDoesNotMatch */
  chunk(signature: string | undefined, sha256: string): void
  /** `trailers` is `name:value\n` for each trailer. */
  trailer(signature: string | undefined, trailers: string): void
}

/** Verifies the signature (version 4) of a request's Authorization header. */
export function verifySignature(
  request: RequestToVerify,
  service: 's3' | 'sts',
  region: string,
  findCredentials: (accessKeyId: string) => Credentials | undefined,
): VerifiedRequest {
  const { headers } = request
  const authorization = parseAuthorization(headers.authorization)
  const credentials = findCredentials(authorization.accessKeyId)
  if (!credentials) {
    throw new S3Error('InvalidAccessKeyId', 'The AWS Access Key Id you provided does not exist in our records.')
  }
  checkSessionToken(credentials, headers['x-amz-security-token'])
  const date = checkDate(headers, authorization.date)
  checkScope(authorization, service, region)
  checkSignedHeaders(headers, authorization.signedHeaders)
  const payload = request.payloadHash ?? headers['x-amz-content-sha256']
  if (typeof payload !== 'string') {
    throw new S3Error('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256')
  }

  const scope = `${authorization.date}/${region}/${service}/aws4_request`
  const key = signingKey(credentials.secretAccessKey, scope)
  const canonical = canonicalRequest(request, authorization.signedHeaders, payload)
  const expected = sign(key, ['AWS4-HMAC-SHA256', date, scope, sha256(canonical)])
  checkEqual(authorization.signature, expected)
  return {
    accessKeyId: credentials.accessKeyId,
    payload,
    chunks: chunkSignatures({ key, date, scope, seed: expected }),
  }
}

export function chunkSignatures({
  key,
  date,
  scope,
  seed,
}: {
  readonly key: Buffer
  readonly date: string
  readonly scope: string
  readonly seed: string
}): ChunkSignatures {
  let previous = seed
  return {
    chunk(signature, hash) {
      previous = sign(key, ['AWS4-HMAC-SHA256-PAYLOAD', date, scope, previous, sha256(''), hash])
      checkEqual(signature, previous)
    },
    trailer(signature, trailers) {
      checkEqual(signature, sign(key, ['AWS4-HMAC-SHA256-TRAILER', date, scope, previous, sha256(trailers)]))
    },
  }
}

/** `scope` is `<yyyymmdd>/<region>/<service>/aws4_request`. */
export function signingKey(secretAccessKey: string, scope: string): Buffer {
  let key: Buffer = Buffer.from(`AWS4${secretAccessKey}`)
  for (const word of scope.split('/')) key = createHmac('sha256', key).update(word).digest()
  return key
}

export function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex')
}

interface Authorization {
  readonly accessKeyId: string
  readonly date: string
  readonly region: string
  readonly service: string
  readonly signedHeaders: readonly string[]
  readonly signature: string
}

function parseAuthorization(header: string | undefined): Authorization {
  if (header === undefined) throw new S3Error('AccessDenied', 'Access Denied')
  const match =
    /^AWS4-HMAC-SHA256\s+Credential=([^/,]+)\/(\d{8})\/([^/,]+)\/([^/,]+)\/aws4_request,\s*SignedHeaders=([^,]+),\s*Signature=([0-9a-f]{64})$/.exec(
      header,
    )
  if (!match) throw new S3Error('AuthorizationHeaderMalformed', 'The authorization header is malformed')
  const [, accessKeyId = '', date = '', region = '', service = '', signedHeaders = '', signature = ''] = match
  return { accessKeyId, date, region, service, signedHeaders: signedHeaders.split(';'), signature }
}

function checkSessionToken(credentials: Credentials, token: string | string[] | undefined): void {
  if (token !== credentials.sessionToken) {
    throw new S3Error('InvalidToken', 'The provided token is malformed or otherwise invalid.')
  }
  if (credentials.expiration && credentials.expiration.getTime() <= Date.now()) {
    throw new S3Error('ExpiredToken', 'The provided token has expired.')
  }
}

/** S3 accepts a clock skew of 15 minutes. */
const maxSkewMs = 15 * 60_000

function checkDate(headers: IncomingHttpHeaders, scopeDate: string): string {
  const date = headers['x-amz-date']
  const match = typeof date === 'string' && /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date)
  if (!match) throw new S3Error('AccessDenied', 'AWS authentication requires a valid x-amz-date header')
  const [text, year, month, day, hour, minute, second] = match
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  if (!(Math.abs(Date.now() - time) <= maxSkewMs)) {
    throw new S3Error(
      'RequestTimeTooSkewed',
      'The difference between the request time and the current time is too large.',
    )
  }
  if (!text.startsWith(scopeDate)) {
    throw new S3Error('AuthorizationHeaderMalformed', 'Date in Credential scope does not match x-amz-date')
  }
  return text
}

function checkScope(authorization: Authorization, service: string, region: string): void {
  if (authorization.region !== region) {
    throw new S3Error(
      'AuthorizationHeaderMalformed',
      `The authorization header is malformed; the region '${authorization.region}' is wrong; expecting '${region}'`,
    )
  }
  if (authorization.service !== service) {
    throw new S3Error(
      'AuthorizationHeaderMalformed',
      `The authorization header is malformed; incorrect service "${authorization.service}", expecting "${service}"`,
    )
  }
}

function checkSignedHeaders(headers: IncomingHttpHeaders, signed: readonly string[]): void {
  const mustBeSigned = Object.keys(headers).filter((name) => name === 'host' || name.startsWith('x-amz-'))
  const unsigned = mustBeSigned.filter((name) => !signed.includes(name))
  if (unsigned.length === 0) return
  throw new S3Error(
    'AccessDenied',
    `There were headers present in the request which were not signed: ${unsigned.join(', ')}`,
  )
}

function canonicalRequest(
  { method, path, query, headers }: RequestToVerify,
  signed: readonly string[],
  payload: string,
): string {
  return [
    method,
    decodeURIComponent(path).split('/').map(encodeRfc3986).join('/'),
    query
      .map((pair) => pair.map(encodeRfc3986).join('='))
      .toSorted(byParameter)
      .join('&'),
    ...signed.map((name) => `${name}:${headerText(headers[name])}`),
    '',
    signed.join(';'),
    payload,
  ].join('\n')
}

/** Sorts by name, then by value. Sorting `name=value` would be wrong: `a-b` must follow `a`. */
function byParameter(left: string, right: string): number {
  const [a, b] = [left.replace('=', '\0'), right.replace('=', '\0')]
  return a < b ? -1 : Number(a > b)
}

function headerText(value: string | string[] | undefined): string {
  return [value ?? []].flat().join(',').trim().replaceAll(/ +/g, ' ')
}

export function encodeRfc3986(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

function sign(key: Buffer, lines: readonly string[]): string {
  return createHmac('sha256', key).update(lines.join('\n')).digest('hex')
}

function checkEqual(actual: string | undefined, expected: string): void {
  if (actual?.length === expected.length && timingSafeEqual(Buffer.from(actual), Buffer.from(expected))) return
  throw new S3Error(
    'SignatureDoesNotMatch',
    'The request signature we calculated does not match the signature you provided.',
  )
}
