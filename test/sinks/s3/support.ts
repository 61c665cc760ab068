import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Attempt, ObjectSink, OutboxFile } from '../../../src/component.ts'
import type { Json } from '../../../src/record/json/json.ts'
import s3Sink from '../../../src/sinks/s3.ts'
import { startBucketServer } from '../../support/bucket-server.ts'
import { outbox, roll } from '../../support/object-options.ts'
import type { S3Server, S3ServerOptions } from '../../servers/s3.ts'
import type { StoredObject } from '../../servers/s3/store.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

export const BUCKET = 'events'

/** See `startBucketServer`. */
export function startStore(test: TestContext, options?: S3ServerOptions): Promise<S3Server> {
  return startBucketServer(test, BUCKET, options)
}

export function setEnvironment(values: { readonly [name: string]: string | undefined }): void {
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
}

type S3Config = Parameters<typeof s3Sink.create>[0]

const defaults: S3Config = {
  bucket: BUCKET,
  key: '{pipeline}',
  compression: 'gzip',
  roll,
  outbox,
  forcePathStyle: true,
  partSize: 5 << 20,
  allowInsecure: false,
  checksums: 'when-supported',
}

export function s3Config(changes: Partial<S3Config> = {}): S3Config {
  return { ...defaults, ...changes }
}

/** Options of how the store keeps an object, with characters that a request must encode. */
export const STORAGE = {
  acl: 'bucket-owner-full-control',
  serverSideEncryption: 'aws:kms',
  kmsKeyId: 'key-1',
  storageClass: 'STANDARD_IA',
  tags: { team: 'a+b = c', 'cost centre/Zürich': '@1:2', empty: '' },
  metadata: { 'Collected-By': 'sluice; v=1', empty: '' },
} satisfies Partial<S3Config>

/** Asserts that a store keeps an object by `STORAGE`. */
export function assertStored(object: StoredObject | undefined): void {
  assert.deepEqual(
    { acl: object?.acl, tags: object?.tags, headers: object?.headers },
    {
      acl: STORAGE.acl,
      tags: STORAGE.tags,
      headers: {
        'content-type': 'application/x-ndjson',
        'x-amz-server-side-encryption': 'aws:kms',
        'x-amz-server-side-encryption-aws-kms-key-id': 'key-1',
        'x-amz-storage-class': 'STANDARD_IA',
        'x-amz-meta-collected-by': 'sluice; v=1',
        'x-amz-meta-empty': '',
      },
    },
  )
}

/** The sink for the S3 bucket of a server, with default options and the smallest parts. */
export async function createSink(
  test: TestContext,
  server: S3Server,
  changes: Partial<S3Config> = {},
): Promise<ObjectSink> {
  const config = s3Config({ endpoint: server.endpoint, region: server.region, ...changes })
  const sink = await s3Sink.create(config, { pipeline: 'events', stage: 's3', folder: '.' })
  if ('write' in sink) throw new Error('the s3 sink delivers objects')
  test.after(() => sink.close?.())
  return sink
}

/** A finished file of the outbox, with random content. */
export async function outboxFile(test: TestContext, bytes: number): Promise<OutboxFile & { content: Buffer }> {
  const path = join(await temporaryFolder(test), 'file')
  const content = randomBytes(bytes)
  await writeFile(path, content)
  const sha256 = createHash('sha256').update(content).digest('hex')
  return { path, bytes, records: 1, sha256, compression: 'gzip', content }
}

/** Keeps the resume token in memory. With one, the attempt repeats an earlier one. */
export function memoryAttempt(resumeToken?: Json): Attempt & { isRepeated: boolean; resumeToken: Json | undefined } {
  const attempt = {
    isRepeated: resumeToken !== undefined,
    storeIsKnown: true,
    resumeToken,
    saveResumeToken: (value: Json) => {
      attempt.resumeToken = value
      return Promise.resolve()
    },
  }
  return attempt
}

export const never: AbortSignal = new AbortController().signal
