import { SluiceError } from '../errors.ts'

export interface S3Call {
  /** For example `PutObject`. */
  readonly operation: string
  readonly bucket: string
}

/**
 * Our error for one of the SDK. Of the SDK's own nothing is kept but code, status and request id: it holds the whole exchange, with
 * credentials.
 */
export function s3Error(error: unknown, { operation, bucket }: S3Call): SluiceError {
  if (error instanceof SluiceError) return error
  const { code, status, requestId } = s3Facts(error)
  const facts = [status, requestId && `request ${requestId}`].filter(Boolean).join(', ')
  const what = `${operation} on bucket ${bucket}: ${code}${facts === '' ? '' : ` (${facts})`}`
  if (mayPass(code, status)) return new SluiceError('SINK_UNAVAILABLE', `the store did not do ${what}`)
  const hint = hints[code] ?? hintOfCertificate(code) ?? (status === undefined ? messageOf(error) : undefined)
  return new SluiceError('SINK_REFUSED', `the store refused ${what}${hint ? `: ${hint}` : ''}`)
}

/** No credentials, or none for the role. */
export function credentialsError(error: unknown, role: string | undefined): SluiceError {
  if (error instanceof SluiceError) return error
  const { code, status } = s3Facts(error)
  const whose = role === undefined ? 'no AWS credentials' : `no credentials for the role ${role}`
  const why = `${code}${status === undefined ? '' : ` (${status})`}`
  if (code !== 'CredentialsProviderError' && mayPass(code, status)) {
    return new SluiceError('SINK_UNAVAILABLE', `${whose}: ${why}`)
  }
  const missing =
    role === undefined
      ? 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or run with an instance or container role'
      : 'see that its trust policy names our own identity and the same externalId'
  const hint = hintOfCertificate(code) ?? missing
  return new SluiceError('SINK_REFUSED', `${whose}: ${why}; ${hint}`)
}

export interface S3Facts {
  readonly code: string
  /** Of the answer; undefined when there was none. */
  readonly status: number | undefined
  readonly requestId: string | undefined
}

export function s3Facts(error: unknown): S3Facts {
  if (typeof error !== 'object' || error === null)
    return { code: String(error), status: undefined, requestId: undefined }
  const metadata: object = '$metadata' in error && isObject(error.$metadata) ? error.$metadata : {}
  const status = 'httpStatusCode' in metadata ? Number(metadata.httpStatusCode) : undefined
  const requestId = 'requestId' in metadata ? textOf(metadata.requestId) : undefined
  const network = 'code' in error ? textOf(error.code) : undefined
  const name = 'name' in error ? textOf(error.name) : undefined
  const isVague = name === undefined || name === 'Error' || name === 'Unknown' || name === 'UnknownError'
  return { code: isVague ? (network ?? codeOfStatus(status)) : name, status, requestId }
}

/** Answers that say nothing lasting about the request. */
const passing = new Set([
  'AbortError',
  'BadDigest',
  'IncompleteBody',
  'InvalidPart',
  'NoSuchUpload',
  'RequestTimeout',
  'SlowDown',
  'TimeoutError',
  'XAmzContentSHA256Mismatch',
])

function mayPass(code: string, status: number | undefined): boolean {
  if (passing.has(code)) return true
  // Without an answer it is the network (ECONNRESET, ENOTFOUND); anything else without one is ours.
  if (status === undefined) return /^(E[A-Z]+|EAI_[A-Z]+|UND_[A-Z_]+)$/.test(code)
  // An error inside a 200 is a failure on the way.
  return status >= 500 ? code !== 'NotImplemented' : status === 429 || status === 409 || status === 408 || status < 300
}

const hints: { readonly [code: string]: string } = {
  AccessDenied: 'see that the credentials may put objects there, and that expectedBucketOwner is the owner',
  AuthorizationHeaderMalformed: 'the bucket is in another region: set `region`',
  ExpiredToken: 'the credentials have expired',
  InvalidAccessKeyId: 'the access key does not exist',
  InvalidToken: 'the session token is not valid',
  NoSuchBucket: 'create the bucket, or correct `bucket`',
  NotImplemented: 'this store lacks a function: see `checksums: when-required`, `acl` and `serverSideEncryption`',
  PermanentRedirect: 'the bucket is in another region: set `region`',
  RequestTimeTooSkewed: 'the clock of this machine is wrong',
  SignatureDoesNotMatch: 'the secret key is wrong',
}

/** For the errors of OpenSSL about a certificate that nobody vouches for. */
function hintOfCertificate(code: string): string | undefined {
  const isUnknown =
    /^(UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT(_LOCALLY)?)|SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT)$/
  return isUnknown.test(code)
    ? 'no known authority has signed its certificate: name the file of its own in NODE_EXTRA_CA_CERTS'
    : undefined
}

function codeOfStatus(status: number | undefined): string {
  if (status === 301) return 'PermanentRedirect'
  return status === undefined ? 'an unknown error' : `status ${status}`
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : ''
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
