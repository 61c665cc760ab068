import { certificateMistake } from '../network/tls.ts'
import { MINUTE } from '../time.ts'

/** For errors that are repeated, but last if they are mistakes. */
export const transientHints: { readonly [code: string]: string } = {
  ECONNREFUSED: 'nothing listens there: start the store, or correct `endpoint`',
  XAmzContentSHA256Mismatch: 'if it keeps failing, set `checksums: when-required`',
}

const hints: { readonly [code: string]: string } = {
  ExpiredToken: 'the credentials have expired',
  InvalidObjectState: 'the object is archived: restore it first',
  InvalidStorageClass: 'the store does not have this class: correct `storageClass`',
  InvalidTag: 'the store does not take these tags: correct `tags`',
  InvalidAccessKeyId: 'the access key does not exist',
  InvalidToken: 'the session token is not valid',
  NoSuchBucket: 'create the bucket, or correct `bucket`',
  NotImplemented:
    'the store does not support a feature: check `checksums: when-required`, `acl`, `serverSideEncryption`, `storageClass` and `tags`',
  SignatureDoesNotMatch: 'the secret key is wrong',
}

/** Rights for operations that read. */
const readRights: { readonly [operation: string]: string } = {
  GetObject: 's3:GetObject on the objects, and kms:Decrypt on the key if they are encrypted with one',
  HeadObject: 's3:GetObject on the objects',
  GetObjectVersion: 's3:GetObjectVersion on the objects',
  ListObjectsV2: 's3:ListBucket on the bucket',
}

/** The way out of an error that is final, if one is known. */
export function hintOf(error: unknown, code: string, operation: string): string | undefined {
  if (code === 'AccessDenied') {
    const right = readRights[operation]
    return right === undefined
      ? 'check that the credentials may put objects there (`tags` and `acl` need rights of their own), and that expectedBucketOwner owns the bucket'
      : `the credentials need ${right}; expectedBucketOwner, if it is set, must own the bucket`
  }
  if (REGION_ERRORS.has(code)) {
    const region = regionIn(error)
    return region === undefined
      ? 'the bucket is in another region: set `region`'
      : `the bucket is in another region: set \`region\` to ${region}`
  }
  if (code === 'RequestTimeTooSkewed') return `the clock of this machine is wrong${skewIn(error)}`
  // Stores answer in many ways to a checksum that they do not know.
  if (CHECKSUM_ERRORS.has(code) && /checksum|x-amz-content-sha256|aws-chunked|trailer/i.test(messageOf(error))) {
    return 'the store does not support the checksums of requests: set `checksums: when-required`'
  }
  if (code === 'NoSuchBucket' && operation in readRights)
    return 'correct the name of the bucket in `path`, or `endpoint`'
  return hints[code] ?? certificateMistake(error)
}

const REGION_ERRORS: ReadonlySet<string> = new Set([
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
  'PermanentRedirect',
])

const CHECKSUM_ERRORS: ReadonlySet<string> = new Set([
  'InvalidArgument',
  'InvalidRequest',
  'MissingContentLength',
  'MalformedTrailerError',
  'UnsupportedArgument',
])

/** The region of the bucket, which S3 names in a header, and in the error document of some errors. */
function regionIn(error: unknown): string | undefined {
  const named =
    headerOf(error, 'x-amz-bucket-region') ?? (isObject(error) && 'Region' in error ? error.Region : undefined)
  return typeof named === 'string' && /^[a-z\d-]{2,40}$/.test(named) ? named : undefined
}

/** By how much, from the Date of the response. */
function skewIn(error: unknown): string {
  const theirs = Date.parse(headerOf(error, 'date') ?? '')
  const minutes = Math.round((Date.now() - theirs) / MINUTE)
  if (Number.isNaN(minutes) || minutes === 0) return ''
  return `: it is ${Math.abs(minutes)} min ${minutes > 0 ? 'ahead of' : 'after'} the store's`
}

/** An error whose response is a web page comes from a proxy, or from a server that is no store. */
export function pageHint(error: unknown, code: string, status: number | undefined): string | undefined {
  if (status === undefined || status >= 500 || !/^text\/(html|plain)\b/.test(headerOf(error, 'content-type') ?? '')) {
    return undefined
  }
  if (status === 413) {
    return 'a proxy before the store refuses bodies of this size: raise its limit (client_max_body_size of nginx), or lower `partSize`'
  }
  const isNamed = code in hints || REGION_ERRORS.has(code) || /^[A-Z][A-Za-z]+$/.test(code)
  if (isNamed && !VAGUE.test(code)) return undefined
  return 'this is not the API of an S3 store: correct `endpoint` (another port than that of the console), or the proxy before it'
}

/** Names that the SDK gives to an error whose document has no code. */
const VAGUE = /^(Error|SyntaxError|Unknown|UnknownError|Forbidden|NotFound|BadRequest|MethodNotAllowed)$/

function headerOf(error: unknown, name: string): string | undefined {
  const response = isObject(error) && '$response' in error ? error.$response : undefined
  const headers = isObject(response) && 'headers' in response ? response.headers : undefined
  return isObject(headers) ? headerText(Reflect.get(headers, name)) : undefined
}

/** Where a connection failed. */
export function addressOf(error: unknown): string {
  const errors = error instanceof AggregateError ? error.errors : [error]
  const places = errors.flatMap((each: unknown) => {
    if (!isObject(each) || !('address' in each) || !('port' in each)) return []
    return [`${String(each.address)} port ${String(each.port)}`]
  })
  return places.length === 0 ? '' : ` ${[...new Set(places)].join(' and ')}`
}

function headerText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : ''
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
