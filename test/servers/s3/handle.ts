import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { createBucket, getLifecycle, headBucket, listBuckets, listObjects } from './operations/buckets.ts'
import { accessDenied } from './call.ts'
import type { Answer, Call, ServerSettings } from './call.ts'
import { completeMultipartUpload } from './operations/complete.ts'
import { release } from './content.ts'
import { S3Error } from './protocol/errors.ts'
import type { Fault, Faults } from './faults.ts'
import {
  abortMultipartUpload,
  createMultipartUpload,
  listMultipartUploads,
  listParts,
  uploadPart,
  uploadPartCopy,
} from './operations/multipart.ts'
import { copyObject, deleteObject, deleteObjects, getObject, putObject } from './operations/objects.ts'
import { receiveBody } from './protocol/receive.ts'
import { parseTarget } from './protocol/route.ts'
import type { Operation, Target } from './protocol/route.ts'
import { sendAnswer } from './protocol/send.ts'
import { sha256, verifySignature } from './protocol/signature.ts'
import type { Bucket } from './store.ts'
import { stsErrorXml } from './sts.ts'
import type { Keyring } from './sts.ts'
import type { Throttle } from './protocol/throttle.ts'
import { writeXml } from './protocol/xml.ts'

/** The record of one request, for tests. */
export interface RequestRecord {
  readonly operation: Operation
  readonly bucket: string
  readonly key: string
  /** URL parameters. */
  readonly query: readonly (readonly [string, string])[]
  readonly range: string | undefined
  readonly headers: IncomingHttpHeaders
  /** Bytes of the body that were read from the socket, including the framing of chunks. */
  readonly bytesReceived: number
  /** The access key that signed the request; absent until the signature is verified. */
  readonly accessKeyId?: string
  /** Status of the response; absent before the response, or if a fault withheld it. */
  readonly status?: number
  readonly error?: string
  /** The fault that the request triggered. */
  readonly fault?: Fault['kind']
}

export interface ServerState {
  readonly settings: ServerSettings
  readonly region: string
  readonly keyring: Keyring
  readonly authorize: ((request: RequestRecord) => boolean) | undefined
  readonly buckets: Map<string, Bucket>
  readonly faults: Faults
  readonly throttle: Throttle
  readonly requests: RequestRecord[]
  readonly open: Map<Operation, OpenRequests>
}

/** Requests that came and whose response is not sent. */
export interface OpenRequests {
  readonly now: number
  readonly most: number
}

type Mutable<T> = { -readonly [name in keyof T]: T[name] }

interface Exchange {
  readonly server: ServerState
  readonly request: IncomingMessage
  readonly target: Target
  readonly record: Mutable<RequestRecord>
  readonly fault: Fault | undefined
}

/** Handles one request. Never rejects. */
export async function handleRequest(
  server: ServerState,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  // Both end with an error if the client disconnects, which is normal.
  request.on('error', () => undefined)
  response.on('error', () => undefined)
  const exchange = openExchange(server, request)
  const { record, fault } = exchange
  const closed = new Promise<void>((resolve) => void response.once('close', resolve))
  countOpen(server, record.operation, closed)
  if (fault?.kind === 'hold') await Promise.race([fault.until, closed])
  if (withholds(fault, 'start')) return withhold(request, fault)

  const answer = await performSafely(exchange)
  try {
    await drained(request)
    if (request.socket.destroyed) return
    if (withholds(fault, 'response')) return withhold(request, fault)
    record.status = answer.status ?? 200
    await sendAnswer(response, answer, { fault, headOnly: request.method === 'HEAD' })
  } catch (error) {
    // The status is sent, so the only way to report the error is to break the connection.
    response.destroy(error instanceof Error ? error : undefined)
  } finally {
    release(answer.content ?? [])
  }
}

function openExchange(server: ServerState, request: IncomingMessage): Exchange {
  const target = parseTarget(request)
  const { operation, bucket, key, query } = target
  const fault = server.faults.trigger(operation, key)
  const { headers } = request
  const { range } = headers
  const record = {
    operation,
    bucket,
    key,
    query,
    range,
    headers,
    bytesReceived: 0,
    ...(fault && { fault: fault.kind }),
  }
  server.requests.push(record)
  return { server, request, target, record, fault }
}

function countOpen({ open }: ServerState, operation: Operation, closed: Promise<void>): void {
  const add = (count: number): void => {
    const { now, most } = open.get(operation) ?? { now: 0, most: 0 }
    open.set(operation, { now: now + count, most: Math.max(most, now + count) })
  }
  add(1)
  void closed.then(() => add(-1))
}

function withholds(fault: Fault | undefined, at: 'start' | 'response'): fault is Fault {
  return (fault?.kind === 'reset' || fault?.kind === 'hang') && fault.at === at
}

function withhold(request: IncomingMessage, fault: Fault): void {
  if (fault.kind === 'reset') request.socket.resetAndDestroy()
}

async function performSafely(exchange: Exchange): Promise<Answer> {
  const { record, target, fault } = exchange
  try {
    if (fault?.kind === 'error') throw faultError(fault)
    if (fault?.kind === 'errorInside200') {
      return { xml: errorXml(new S3Error(fault.code, 'Injected by the test'), target, randomUUID()) }
    }
    const answer = target.operation === 'AssumeRole' ? await performAssumeRole(exchange) : await perform(exchange)
    return fault?.kind === 'wrongChecksum' ? withWrongChecksum(answer) : answer
  } catch (error) {
    const known = knownError(error, exchange)
    record.error = known.code
    return errorAnswer(known, target, fault)
  }
}

function knownError(error: unknown, { request }: Exchange): S3Error {
  if (error instanceof S3Error) return error
  if (request.errored) return new S3Error('IncompleteBody', 'The client disconnected')
  return new S3Error('InternalError', String(error))
}

function faultError(fault: Fault & { kind: 'error' }): S3Error {
  const { code, retryAfter } = fault
  return new S3Error(code, 'Injected by the test', retryAfter === undefined ? {} : { 'retry-after': `${retryAfter}` })
}

async function performAssumeRole(exchange: Exchange): Promise<Answer> {
  const { server, request, target, record } = exchange
  const chunks: Buffer[] = []
  for await (const bytes of requestBytes(exchange)) chunks.push(bytes)
  const body = Buffer.concat(chunks)
  const { accessKeyId } = verifySignature(
    { ...target, method: 'POST', headers: request.headers, payloadHash: sha256(body) },
    'sts',
    server.region,
    server.keyring.find,
  )
  record.accessKeyId = accessKeyId
  return { xml: server.keyring.assumeRole(new URLSearchParams(body.toString())) }
}

async function perform(exchange: Exchange): Promise<Answer> {
  const { server, request, target, record } = exchange
  const { headers, method = '' } = request
  const implementation = implementations[target.operation]
  if (!implementation)
    throw new S3Error('NotImplemented', 'A header or query you provided implies functionality that is not implemented')
  const verified = verifySignature({ ...target, method, headers }, 's3', server.region, server.keyring.find)
  record.accessKeyId = verified.accessKeyId
  if (server.authorize?.(record) === false) throw accessDenied()
  const hasChecksum = target.operation !== 'CompleteMultipartUpload'
  const call: Call = {
    target,
    headers,
    settings: server.settings,
    buckets: server.buckets,
    receive: (write) => {
      const body = { headers, verified, bytes: requestBytes(exchange), hasChecksum }
      return receiveBody({ ...body, ignoreMd5: server.settings.ignoreDigests }, write)
    },
  }
  return implementation(call)
}

const implementations: Partial<Record<Operation, (call: Call) => Answer | Promise<Answer>>> = {
  AbortMultipartUpload: abortMultipartUpload,
  CompleteMultipartUpload: completeMultipartUpload,
  CopyObject: copyObject,
  CreateBucket: createBucket,
  CreateMultipartUpload: createMultipartUpload,
  DeleteObject: deleteObject,
  DeleteObjects: deleteObjects,
  GetBucketLifecycleConfiguration: getLifecycle,
  GetObject: getObject,
  HeadBucket: headBucket,
  HeadObject: getObject,
  ListBuckets: listBuckets,
  ListMultipartUploads: listMultipartUploads,
  ListObjectsV2: listObjects,
  ListParts: listParts,
  PutObject: putObject,
  UploadPart: uploadPart,
  UploadPartCopy: uploadPartCopy,
}

/**
 * The body as it arrives from the socket. While a chunk waits for the throttle nothing more is
 * read, so the buffers of the kernel fill and the client gets backpressure.
 */
async function* requestBytes({ server, request, record, fault }: Exchange): AsyncGenerator<Buffer> {
  const resetAfter =
    fault?.kind === 'reset' && fault.at === 'body'
      ? (fault.afterBytes ?? Number(request.headers['content-length'] ?? 0) / 2)
      : Infinity
  // Leaving the loop early must not close the connection: the error must still be sent.
  for await (const bytes of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    await server.throttle.take(bytes.length)
    record.bytesReceived += bytes.length
    if (record.bytesReceived >= resetAfter) {
      request.socket.resetAndDestroy()
      throw new S3Error('IncompleteBody', 'Reset by the test')
    }
    yield bytes
  }
  if (!request.complete) throw new S3Error('IncompleteBody', 'The client disconnected')
}

/** Reads the rest of the body, so that the client gets the response and not a broken connection. */
async function drained(request: IncomingMessage): Promise<void> {
  if (request.readableEnded || request.destroyed) return
  await new Promise<void>((resolve) => {
    request.once('end', resolve).once('close', resolve).resume()
  })
}

function errorAnswer(error: S3Error, target: Target, fault: Fault | undefined): Answer {
  const requestId = randomUUID()
  const status = fault?.kind === 'error' ? (fault.status ?? error.status) : error.status
  return {
    status,
    headers: { ...error.headers, 'x-amz-request-id': requestId },
    xml: target.operation === 'AssumeRole' ? stsErrorXml(error, requestId) : errorXml(error, target, requestId),
  }
}

function errorXml(error: S3Error, target: Target, requestId: string): string {
  return writeXml('Error', {
    Code: error.code,
    Message: error.message,
    Resource: target.path,
    RequestId: requestId,
  })
}

/** Changes the first character of each checksum. It stays base64 of the same length. */
function withWrongChecksum(answer: Answer): Answer {
  const headers = Object.entries(answer.headers ?? {}).map(([name, value]) => [
    name,
    /^x-amz-checksum-(?:crc|sha)/.test(name) ? wrong(value) : value,
  ])
  const xml = answer.xml?.replace(
    /(<Checksum(?:CRC|SHA)\w+>)([^<]+)/g,
    (_all, tag: string, value: string) => tag + wrong(value),
  )
  return { ...answer, headers: Object.fromEntries(headers), ...(xml !== undefined && { xml }) }
}

function wrong(checksum: string): string {
  return (checksum.startsWith('A') ? 'B' : 'A') + checksum.slice(1)
}
