import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { checksumAlgorithms, checksumHeader, createDigest } from '../checksums.ts'
import type { Checksum, ChecksumAlgorithm } from '../checksums.ts'
import { decodeChunked } from './chunked.ts'
import { S3Error } from './errors.ts'
import type { VerifiedRequest } from './signature.ts'

export interface Digests {
  readonly size: number
  readonly md5: Buffer
  /** The checksum of the request, verified. */
  readonly checksum: Checksum | undefined
}

export interface SignedBody {
  readonly headers: IncomingHttpHeaders
  readonly verified: VerifiedRequest
  readonly bytes: AsyncIterable<Buffer>
  /** False if a checksum header is not about this body, as in a Complete (the whole object). */
  readonly hasChecksum: boolean
  /** Stores the body even if Content-MD5 does not match. */
  readonly ignoreMd5?: boolean
}

/** The largest body that S3 accepts in one request. */
const maxBodyBytes = 5 * 1024 ** 3

/**
 * Passes the decoded bytes to `write`. Returns when all have arrived and match the lengths, hashes
 * and checksums of the request.
 *
 * @throws S3Error BadDigest, EntityTooLarge, IncompleteBody, InvalidDigest, InvalidRequest,
 *   MissingContentLength, SignatureDoesNotMatch, XAmzContentSHA256Mismatch
 */
export async function receiveBody(body: SignedBody, write: (bytes: Buffer) => void | Promise<void>): Promise<Digests> {
  const { headers, verified } = body
  const form = bodyForm(verified.payload)
  const expectedSize = declaredSize(headers, form.chunked)
  const expectedMd5 = declaredMd5(headers)
  const declared = body.hasChecksum ? declaredChecksum(headers) : undefined
  const md5 = createHash('md5')
  const sha256 = form.hashed ? createHash('sha256') : undefined
  const digest = declared && createDigest(declared.algorithm)
  const trailers = new Map<string, string>()

  let size = 0
  for await (const bytes of form.chunked ? decode(body, form, trailers) : body.bytes) {
    size += bytes.length
    md5.update(bytes)
    sha256?.update(bytes)
    digest?.update(bytes)
    await write(bytes)
  }

  if (size !== expectedSize) {
    throw new S3Error('IncompleteBody', `The body has ${size} bytes, the request announced ${expectedSize}`)
  }
  if (sha256 && sha256.digest('hex') !== verified.payload) {
    throw new S3Error('XAmzContentSHA256Mismatch', "The provided 'x-amz-content-sha256' header does not match the body")
  }
  const md5Digest = md5.digest()
  if (expectedMd5 && !body.ignoreMd5 && !md5Digest.equals(expectedMd5)) {
    throw new S3Error('BadDigest', 'The Content-MD5 you specified did not match what we received.')
  }
  return { size, md5: md5Digest, checksum: declared && checkedChecksum(declared, digest?.digest(), trailers) }
}

interface BodyForm {
  readonly hashed: boolean
  readonly chunked: boolean
  readonly signedChunks: boolean
  readonly signedTrailer: boolean
}

function bodyForm(payload: string): BodyForm {
  const plain = { hashed: false, chunked: false, signedChunks: false, signedTrailer: false }
  switch (payload) {
    case 'UNSIGNED-PAYLOAD':
      return plain
    case 'STREAMING-UNSIGNED-PAYLOAD-TRAILER':
      return { ...plain, chunked: true }
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD':
      return { ...plain, chunked: true, signedChunks: true }
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER':
      return { ...plain, chunked: true, signedChunks: true, signedTrailer: true }
  }
  if (/^[0-9a-f]{64}$/.test(payload)) return { ...plain, hashed: true }
  throw new S3Error('InvalidArgument', 'x-amz-content-sha256 must be a valid sha256 value or a known literal')
}

function decode({ bytes, verified }: SignedBody, form: BodyForm, trailers: Map<string, string>): AsyncIterable<Buffer> {
  return decodeChunked(bytes, {
    signatures: form.signedChunks ? verified.chunks : undefined,
    signedTrailer: form.signedTrailer,
    onTrailers: (received) => received.forEach((value, name) => trailers.set(name, value)),
  })
}

function declaredSize(headers: IncomingHttpHeaders, chunked: boolean): number {
  const text = headers[chunked ? 'x-amz-decoded-content-length' : 'content-length']
  // Without length and encoding, the request has no body.
  if (text === undefined && !chunked && headers['transfer-encoding'] === undefined) return 0
  if (typeof text !== 'string' || !/^\d{1,15}$/.test(text)) {
    throw new S3Error('MissingContentLength', 'You must provide the Content-Length HTTP header.')
  }
  const size = Number(text)
  if (size > maxBodyBytes) throw new S3Error('EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size')
  return size
}

function declaredMd5(headers: IncomingHttpHeaders): Buffer | undefined {
  const text = headers['content-md5']
  if (text === undefined) return undefined
  const md5 = Buffer.from(String(text), 'base64')
  if (md5.length !== 16) throw new S3Error('InvalidDigest', 'The Content-MD5 you specified was invalid.')
  return md5
}

interface DeclaredChecksum {
  readonly algorithm: ChecksumAlgorithm
  /** Absent until it arrives as a trailer. */
  readonly value: string | undefined
}

function declaredChecksum(headers: IncomingHttpHeaders): DeclaredChecksum | undefined {
  const trailer = headers['x-amz-trailer']
  const declared = checksumAlgorithms.flatMap((algorithm) => {
    const value = headers[checksumHeader(algorithm)]
    if (value !== undefined) return { algorithm, value: String(value) }
    return trailer === checksumHeader(algorithm) ? { algorithm, value: undefined } : []
  })
  if (declared.length > 1) {
    throw new S3Error(
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    )
  }
  if (declared.length === 0 && (trailer ?? headers['x-amz-sdk-checksum-algorithm']) !== undefined) {
    throw new S3Error(
      'InvalidRequest',
      'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
    )
  }
  return declared[0]
}

function checkedChecksum(
  { algorithm, value }: DeclaredChecksum,
  digest: Buffer | undefined,
  trailers: ReadonlyMap<string, string>,
): Checksum {
  const actual = digest?.toString('base64')
  if (actual === undefined || actual !== (value ?? trailers.get(checksumHeader(algorithm)))) {
    throw new S3Error('BadDigest', `The ${algorithm} you specified did not match the calculated checksum.`)
  }
  return { algorithm, value: actual, type: 'FULL_OBJECT' }
}
