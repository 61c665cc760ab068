/**
 * An S3 server for tests and the demo, on 127.0.0.1. It is strict about signatures, checksums and
 * conditions. As a command, `node build/test/servers/s3.js [--port N] [--bucket NAME]... [--folder
 * DIR]` prints endpoint and credentials as one line of JSON and serves until SIGTERM or SIGINT.
 */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { realpathSync } from 'node:fs'
import { createServer } from 'node:http'
import { parseArgs } from 'node:util'
import { madeContent } from './s3/content.ts'
import { addBucket } from './s3/operations/buckets.ts'
import { closeUpload } from './s3/operations/multipart.ts'
import type { ServerSettings } from './s3/call.ts'
import { Faults } from './s3/faults.ts'
import { handleRequest } from './s3/handle.ts'
import type { OpenRequests, RequestRecord, ServerState } from './s3/handle.ts'
import type { Operation } from './s3/protocol/route.ts'
import type { Credentials } from './s3/protocol/signature.ts'
import type { StoredObject } from './s3/store.ts'
import { Keyring } from './s3/sts.ts'
import type { Role } from './s3/sts.ts'
import { Throttle } from './s3/protocol/throttle.ts'

export type { Effect, Fault } from './s3/faults.ts'
export type { Operation, RequestRecord, StoredObject }

export interface S3ServerOptions extends Partial<ServerSettings> {
  /** Default: a free port. */
  readonly port?: number
  readonly region?: string
  readonly accessKeyId?: string
  readonly secretAccessKey?: string
  readonly buckets?: readonly string[]
  /** The role for which AssumeRole, on the same endpoint, returns credentials. */
  readonly role?: Role
  /** Further long-term keys, of other identities. */
  readonly otherKeys?: readonly Credentials[]
  /** Refuses a request whose signature is right. Default: all are allowed. */
  readonly authorize?: (request: RequestRecord) => boolean
}

interface MadeBody {
  readonly size: number
  readonly read: (start: number, end: number) => Iterable<Buffer>
}

interface AddOptions {
  readonly lastModified?: Date
  readonly storageClass?: string
  /** Default: the MD5 of the bytes, or of the key of a made body. */
  readonly etag?: string
}

export interface S3Server {
  readonly endpoint: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  createBucket(name: string): void
  /** Puts an object without a request: bytes, or a function that makes them when they are read. */
  add(bucket: string, key: string, body: Buffer | string | MadeBody, options?: AddOptions): void
  remove(bucket: string, key: string): void
  /** The currently visible objects of an S3 bucket. Throws if the bucket does not exist. */
  objects(bucket: string): Map<string, StoredObject>
  openUploads(bucket: string): number
  /** Keys of the open uploads. */
  uploadKeys(bucket: string): string[]
  /** Issues another long-term key. */
  addKey(): Credentials
  /** Refuses a key from now on. */
  removeKey(accessKeyId: string): void
  /** Removes the unfinished uploads of an S3 bucket, as a lifecycle rule does; or only one part of each. */
  clearUploads(bucket: string, only?: { readonly part: number }): void
  /** All requests, in order of arrival. */
  readonly requests: readonly RequestRecord[]
  /** Number of requests of this operation, and key, so far. */
  count(operation: Operation, key?: string): number
  /** Requests of this operation that are open at once: now, and the most so far. */
  open(operation: Operation): OpenRequests
  readonly faults: Faults
  /**
   * Limits how fast request bodies are read from their sockets, all together; 0 stops reading. A
   * client can still put a few MB into the kernel's socket buffers.
   */
  throttle(bytesPerSecond: number | undefined): void
  /**
   * During an outage, existing connections are broken and new ones are refused. Objects and uploads
   * stay.
   */
  outage(on: boolean): Promise<void>
  /** Breaks all connections and ends the server. */
  close(): Promise<void>
}

export async function startS3Server(options: S3ServerOptions = {}): Promise<S3Server> {
  const { region = 'us-east-1', accessKeyId = 'AKIATESTTESTTESTTEST', secretAccessKey = 'test/secret+key' } = options
  const state: ServerState = {
    settings: {
      folder: options.folder,
      ownerId: options.ownerId ?? '111122223333',
      ignoreConditions: options.ignoreConditions ?? false,
      ignoreDigests: options.ignoreDigests ?? false,
      answer304: options.answer304 ?? false,
      abortDeletes: options.abortDeletes ?? false,
      repeatedComplete: options.repeatedComplete,
      denyDelete: options.denyDelete ?? false,
      denyRead: options.denyRead ?? false,
      denyList: options.denyList ?? false,
      requesterPays: options.requesterPays ?? false,
      ignoreRanges: options.ignoreRanges ?? false,
      versioned: options.versioned ?? false,
      maxPage: options.maxPage ?? 1000,
      lifecycle: options.lifecycle,
    },
    region,
    keyring: new Keyring([{ accessKeyId, secretAccessKey }, ...(options.otherKeys ?? [])], options.role),
    authorize: options.authorize,
    buckets: new Map(),
    faults: new Faults(),
    throttle: new Throttle(),
    requests: [],
    open: new Map(),
  }
  for (const name of options.buckets ?? []) addBucket(state.buckets, name, options.versioned)

  const running = new Set<Promise<void>>()
  const http = createServer((request, response) => {
    const handled = handleRequest(state, request, response).finally(() => running.delete(handled))
    running.add(handled)
  })
  // No timeouts for idle and slow connections: they would make tests flaky.
  http.keepAliveTimeout = 0
  http.requestTimeout = 0
  http.headersTimeout = 0

  const listen = async (port: number): Promise<number> => {
    http.listen(port, '127.0.0.1')
    await once(http, 'listening')
    const address = http.address()
    return typeof address === 'object' && address ? address.port : port
  }
  const hangUp = async (): Promise<void> => {
    if (!http.listening) return
    const closed = once(http, 'close')
    http.close()
    http.closeAllConnections()
    await closed
  }
  const findBucket = (name: string) => {
    const bucket = state.buckets.get(name)
    if (!bucket) throw new Error(`the S3 test server has no bucket ${name}`)
    return bucket
  }

  const port = await listen(options.port ?? 0)
  return {
    endpoint: `http://127.0.0.1:${port}`,
    region,
    accessKeyId,
    secretAccessKey,
    createBucket: (name) => addBucket(state.buckets, name, options.versioned),
    add(name, key, body, { lastModified = new Date(), storageClass, etag } = {}) {
      const isMade = typeof body === 'object' && 'read' in body
      const bytes = isMade ? Buffer.alloc(0) : Buffer.from(body)
      const object = {
        headers: { ...(storageClass !== undefined && { 'x-amz-storage-class': storageClass }) },
        acl: undefined,
        tags: {},
        checksum: undefined,
        content: isMade
          ? madeContent(body.size, body.read)
          : madeContent(bytes.length, (start, end) => [bytes.subarray(start, end)]),
        etag:
          etag ??
          `"${createHash('md5')
            .update(isMade ? key : bytes)
            .digest('hex')}"`,
      }
      findBucket(name).put(key, object, lastModified)
    },
    remove: (name, key) => findBucket(name).delete(key),
    objects: (name) => findBucket(name).objects(),
    openUploads: (name) => findBucket(name).uploads.size,
    uploadKeys: (name) => Array.from(findBucket(name).uploads.values(), ({ key }) => key),
    addKey() {
      const key = {
        accessKeyId: `AKIA${randomBytes(8).toString('hex').toUpperCase()}`,
        secretAccessKey: randomBytes(30).toString('base64'),
      }
      state.keyring.add(key)
      return key
    },
    removeKey: (id) => state.keyring.remove(id),
    clearUploads(name, only) {
      const bucket = findBucket(name)
      for (const upload of bucket.uploads.values()) {
        if (only === undefined) closeUpload(bucket, upload)
        else upload.parts.delete(only.part)
      }
    },
    requests: state.requests,
    count: (operation, key) =>
      state.requests.filter((record) => record.operation === operation && (key === undefined || record.key === key))
        .length,
    open: (operation) => state.open.get(operation) ?? { now: 0, most: 0 },
    faults: state.faults,
    throttle: (bytesPerSecond) => state.throttle.set(bytesPerSecond),
    async outage(on) {
      if (on) await hangUp()
      else if (!http.listening) await listen(port)
    },
    async close() {
      state.throttle.set(undefined)
      await hangUp()
      await Promise.all(running)
    },
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '0' },
      bucket: { type: 'string', multiple: true, default: [] },
      folder: { type: 'string' },
    },
  })
  const { port, bucket, folder } = values
  const server = await startS3Server({ port: Number(port), buckets: bucket, ...(folder !== undefined && { folder }) })
  const { endpoint, region, accessKeyId, secretAccessKey } = server
  console.log(JSON.stringify({ endpoint, region, accessKeyId, secretAccessKey }))
  await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
  await server.close()
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === import.meta.filename) await main()
