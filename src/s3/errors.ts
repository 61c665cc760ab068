import { certificateMistake } from '../network/tls.ts'
import { SluiceError } from '../errors.ts'
import { hideSecrets } from '../observe/secrets.ts'
import { ProxyError } from '../network/proxy.ts'
import { addressOf, hintOf, pageHint, transientHints } from './hints.ts'

export interface S3Call {
  /** For example `PutObject`. */
  readonly operation: string
  readonly bucket: string
}

/**
 * Converts an error of the SDK. Keeps only its code, status and request id, because it contains the
 * whole request and response, with credentials.
 */
export function s3Error(error: unknown, { operation, bucket }: S3Call): SluiceError {
  if (error instanceof SluiceError) return error
  if (error instanceof ProxyError) return proxyError(error, `no response to ${operation} on bucket ${bucket}`)
  const { code, status, requestId } = s3Facts(error)
  const page = pageHint(error, code, status)
  const facts = [status, requestId && `request ${requestId}`].filter(Boolean).join(', ')
  const name = page === undefined ? (status === undefined ? `${code}${addressOf(error)}` : code) : 'a web page'
  const what = `${operation} on bucket ${bucket}: ${name}${facts === '' ? '' : ` (${facts})`}`
  if (isTransient(code, status)) {
    const hint = transientHints[code]
    return new SluiceError('SINK_UNAVAILABLE', `the store failed at ${what}${hint ? `: ${hint}` : ''}`)
  }
  const hint = page ?? hintOf(error, code, operation) ?? (status === undefined ? messageOf(error) : undefined)
  return new SluiceError('SINK_REFUSED', `the store refused ${what}${hint ? `: ${hint}` : ''}`)
}

/** For a success that lacks what every S3 store sends: a web server answered, or a proxy. */
export function notS3({ operation, bucket }: S3Call): SluiceError {
  return new SluiceError(
    'SINK_REFUSED',
    `the answer to ${operation} on bucket ${bucket} does not come from an S3 store: correct \`endpoint\` (the port of the S3 API, not of a console)`,
  )
}

/** For a request that was not sent. */
export function insecure(origin: string): SluiceError {
  return new SluiceError(
    'SINK_REFUSED',
    `${origin} is not https: nothing was sent, since anyone on the network could read the records; use https, or set allowInsecure: true`,
  )
}

/** Converts an error of the credential provider. */
export function credentialsError(error: unknown, role: string | undefined): SluiceError {
  if (error instanceof SluiceError) return error
  const whose = role === undefined ? 'no AWS credentials' : `no credentials for the role ${role}`
  if (error instanceof ProxyError) return proxyError(error, whose)
  const { code, status } = s3Facts(error)
  const why = `${code}${status === undefined ? '' : ` (${status})`}`
  if (code !== 'CredentialsProviderError' && isTransient(code, status)) {
    return new SluiceError('SINK_UNAVAILABLE', `${whose}: ${why}`)
  }
  const missing =
    role === undefined
      ? 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or run with an instance or container role'
      : 'check that its trust policy allows this identity and the same externalId'
  const hint = certificateMistake(error) ?? missing
  return new SluiceError('SINK_REFUSED', `${whose}: ${why}; ${hint}`)
}

function proxyError(error: ProxyError, what: string): SluiceError {
  const { transient, message } = error
  return new SluiceError(transient ? 'SINK_UNAVAILABLE' : 'SINK_REFUSED', `${what}: ${message}`, { cause: error })
}

export interface S3Facts {
  readonly code: string
  /** HTTP status; undefined without a response. */
  readonly status: number | undefined
  readonly requestId: string | undefined
}

export function s3Facts(error: unknown): S3Facts {
  if (typeof error !== 'object' || error === null)
    return { code: 'an unknown error', status: undefined, requestId: undefined }
  const metadata: object = '$metadata' in error && isObject(error.$metadata) ? error.$metadata : {}
  const status = 'httpStatusCode' in metadata ? Number(metadata.httpStatusCode) : undefined
  const requestId = 'requestId' in metadata ? wordOf(metadata.requestId, REQUEST_ID) : undefined
  const network = 'code' in error ? wordOf(error.code, CODE) : undefined
  const name = 'name' in error ? wordOf(error.name, CODE) : undefined
  const isVague = name === undefined || /^(Error|AggregateError|SyntaxError|Unknown|UnknownError)$/.test(name)
  return { code: isVague ? (network ?? codeForStatus(status)) : name, status, requestId }
}

/**
 * Codes and request ids come from the store. Text that is not written like one is not repeated: a
 * store that is not one may quote a session token there.
 */
const CODE = /^[A-Za-z][A-Za-z0-9_.]{0,63}$/
const REQUEST_ID = /^[A-Za-z0-9+/=_.:-]{1,128}$/

function wordOf(value: unknown, form: RegExp): string | undefined {
  const text = textOf(value)
  return text !== undefined && form.test(text) && hideSecrets(text) === text ? text : undefined
}

/** Codes of errors that may not occur again. */
const transientCodes = new Set([
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

function isTransient(code: string, status: number | undefined): boolean {
  if (transientCodes.has(code)) return true
  // Without a response it is a network error (ECONNRESET, ENOTFOUND), or else a mistake on our
  // side.
  if (status === undefined) return /^(E[A-Z]+|EAI_[A-Z]+|UND_[A-Z_]+)$/.test(code)
  // A response with status 200 may still contain an error: the store failed after it had sent the
  // status.
  return status >= 500 ? code !== 'NotImplemented' : status === 429 || status === 409 || status === 408 || status < 300
}

function codeForStatus(status: number | undefined): string {
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
