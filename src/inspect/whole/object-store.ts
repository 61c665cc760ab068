import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { S3Client } from '@aws-sdk/client-s3'
import type { PipelineTest } from '../../config/pipeline.ts'
import { parseTestTime } from '../../config/pipeline-test.ts'
import { compareKeys } from '../../sources/s3/list-objects.ts'
import type { Clock } from '../../clock.ts'
import { contentOf } from './input-content.ts'

type Handler = NodeHttpHandler['handle']
type Request = Parameters<Handler>[0]
type Response = Awaited<ReturnType<Handler>>['response']

/** An object of the bucket of a test. */
interface StoredObject {
  readonly key: string
  readonly content: Buffer
  /** Unix time in milliseconds, from which on it is there. */
  readonly modified: number
  /** In double quotes: the MD5 of the content, as of a simple put. */
  readonly etag: string
  readonly storageClass: string
  readonly version: string | undefined
}

interface ObjectStoreOptions {
  readonly objects: readonly StoredObject[]
  /** Decides which objects are there. */
  readonly clock: Clock
  /** The object, counted from 1 in the order of their first requests, of which only a half is sent. */
  readonly cutAt: number | undefined
  /** Called when that half is sent. */
  readonly cut: () => void
}

/** The objects of a test, with what a store adds to them. */
export async function objectsOf(test: PipelineTest): Promise<StoredObject[]> {
  const { objects = [], now = '' } = test
  return Promise.all(
    objects.map(async ({ modified = now, storageClass = 'STANDARD', version, ...object }) => {
      const content = await contentOf(object, object.key, test)
      const etag = `"${createHash('md5').update(content).digest('hex')}"`
      return { key: object.key, content, modified: parseTestTime(modified), etag, storageClass, version }
    }),
  )
}

/** A client of the SDK whose requests the objects of a test answer. It needs no network and no credentials. */
export function clientOf(options: ObjectStoreOptions): S3Client {
  return new S3Client({
    region: 'us-east-1',
    // Set, so that nothing comes from the environment or a profile.
    endpoint: 'http://127.0.0.1',
    forcePathStyle: true,
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: new ObjectStore(options),
  })
}

/** Answers ListObjectsV2, GetObject and HeadObject, as S3 does. */
class ObjectStore extends NodeHttpHandler {
  readonly #options: ObjectStoreOptions
  /** Keys in the order of their first requests. */
  readonly #requested = new Set<string>()

  constructor(options: ObjectStoreOptions) {
    super()
    this.#options = options
  }

  override async handle(...[request]: Parameters<Handler>): ReturnType<Handler> {
    const [, ...names] = request.path.split('/').slice(1)
    const key = decodeURIComponent(names.join('/'))
    return { response: key === '' ? this.#list(request) : this.#get(request, key) }
  }

  #list(request: Request): Response {
    const prefix = parameter(request, 'prefix') ?? ''
    const delimiter = parameter(request, 'delimiter')
    const after = parameter(request, 'continuation-token') ?? parameter(request, 'start-after') ?? ''
    const most = Number(parameter(request, 'max-keys') ?? PAGE)
    const entries = new Map<string, StoredObject | undefined>()
    for (const object of this.#current()) {
      const { key } = object
      if (!key.startsWith(prefix) || compareKeys(key, after) <= 0) continue
      const end = delimiter === undefined ? -1 : key.indexOf(delimiter, prefix.length)
      const folder = end < 0 ? undefined : key.slice(0, end + 1)
      if (folder === undefined) entries.set(key, object)
      else if (folder !== after) entries.set(folder, undefined)
    }
    const page = [...entries].slice(0, most)
    const last = page.at(-1)?.[0] ?? ''
    const isTruncated = entries.size > page.length
    const next = isTruncated ? `<NextContinuationToken>${escapeXml(last)}</NextContinuationToken>` : ''
    const listed = page.map(([key, object]) =>
      object ? entryOf(object) : `<CommonPrefixes>${tag('Prefix', encodeURIComponent(key))}</CommonPrefixes>`,
    )
    return xml(
      200,
      `<ListBucketResult>${tag('IsTruncated', isTruncated)}${tag('EncodingType', 'url')}${next}${listed.join('')}</ListBucketResult>`,
    )
  }

  /** The objects that are there now, in the order of their keys. */
  #current(): StoredObject[] {
    const now = this.#options.clock.now()
    const current = new Map<string, StoredObject>()
    for (const object of this.#options.objects) {
      const other = current.get(object.key)
      if (object.modified <= now && (other === undefined || other.modified <= object.modified))
        current.set(object.key, object)
    }
    return [...current.values()].toSorted((a, b) => compareKeys(a.key, b.key))
  }

  #get(request: Request, key: string): Response {
    const wanted = parameter(request, 'versionId')
    const isThere = ({ modified }: StoredObject): boolean => modified <= this.#options.clock.now()
    const object =
      wanted === undefined
        ? this.#current().find((one) => one.key === key)
        : this.#options.objects.find((one) => one.key === key && one.version === wanted && isThere(one))
    if (object === undefined) return failure(404, wanted === undefined ? 'NoSuchKey' : 'NoSuchVersion')
    const { content, etag, modified, storageClass, version } = object
    const headers = {
      etag,
      'last-modified': new Date(modified).toUTCString(),
      ...(storageClass !== 'STANDARD' && { 'x-amz-storage-class': storageClass }),
      ...(version !== undefined && { 'x-amz-version-id': version }),
    }
    if (request.method === 'HEAD')
      return { statusCode: 200, headers: { ...headers, 'content-length': String(content.length) } }
    const condition = header(request, 'if-match')
    if (condition !== undefined && condition !== etag) return failure(412, 'PreconditionFailed')
    if (ARCHIVED.has(storageClass)) return failure(403, 'InvalidObjectState')
    const [, from = '0', to] = /^bytes=(\d+)-(\d+)$/.exec(header(request, 'range') ?? '') ?? []
    const start = Number(from)
    const end = Math.min(content.length, to === undefined ? content.length : Number(to) + 1)
    const part = content.subarray(start, end)
    this.#requested.add(key)
    const isCut = [...this.#requested].indexOf(key) + 1 === this.#options.cutAt
    return {
      statusCode: 206,
      headers: {
        ...headers,
        'content-length': String(part.length),
        'content-range': `bytes ${start}-${end - 1}/${content.length}`,
      },
      body: isCut ? this.#halfOf(part) : Readable.from([part]),
    }
  }

  #halfOf(bytes: Buffer): Readable {
    const { cut } = this.#options
    let isSent = false
    return new Readable({
      read() {
        if (isSent) return
        isSent = true
        this.push(bytes.subarray(0, Math.floor(bytes.length / 2)))
        cut()
      },
    })
  }
}

/** Keys in a page of a list, as of S3. */
const PAGE = 1000

/** Storage classes of objects that must be restored before they can be read. */
const ARCHIVED: ReadonlySet<string> = new Set(['GLACIER', 'DEEP_ARCHIVE'])

function parameter({ query }: Request, name: string): string | undefined {
  const value = query[name]
  return typeof value === 'string' ? value : undefined
}

function header({ headers }: Request, name: string): string | undefined {
  return Object.entries(headers).find(([one]) => one.toLowerCase() === name)?.[1]
}

function entryOf({ key, content, modified, etag, storageClass }: StoredObject): string {
  const members = [
    tag('Key', encodeURIComponent(key)),
    tag('LastModified', new Date(modified).toISOString()),
    tag('ETag', escapeXml(etag)),
    tag('Size', content.length),
    tag('StorageClass', escapeXml(storageClass)),
  ]
  return `<Contents>${members.join('')}</Contents>`
}

function failure(status: number, code: string): Response {
  return xml(status, `<Error>${tag('Code', code)}${tag('Message', 'an answer of the test')}</Error>`)
}

function xml(statusCode: number, text: string): Response {
  const bytes = Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n${text}`)
  const headers = { 'content-type': 'application/xml', 'content-length': String(bytes.length) }
  return { statusCode, headers, body: Readable.from([bytes]) }
}

function tag(name: string, value: string | number | boolean): string {
  return `<${name}>${value}</${name}>`
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
