/*
 * The s3 sink publishes files of the outbox as objects, each effectively exactly once.
 *
 * Publishing is an idempotent put (`s3/upload.ts`). The object's key contains a part of its
 * content's hash, and the put has the condition `If-None-Match: *`. So a 412 response means that
 * this very object exists. No right to read the bucket is needed. With that right, the store is
 * asked before a put is repeated, and once more before the object counts as published: its row is
 * then retired and its file deleted.
 *
 * Some stores ignore the condition. The conditional-put probe (`s3/conditional-put.ts`) finds out,
 * with an object of its own. The answer is kept in the state, per bucket and kind of upload, and
 * shown by `sluice check --guarantees`. A store that ignores the condition replaces an object with
 * the same bytes.
 *
 * The upload id of a multipart upload is saved in the state before the first part is sent, and the
 * next attempt aborts that upload, and others of its key that the store lists
 * (`s3/unfinished-uploads.ts`). A lifecycle rule of the bucket removes what a lost state leaves.
 *
 * For workers on other machines an object is staged (`s3/stage.ts`): a multipart upload with all parts
 * sent, which the process that owns the state completes after the commit (`s3/publish-staged.ts`).
 *
 * No Content-Encoding is set: with it, many readers would decompress an object whose name ends in
 * `.gz`.
 */
import { Type } from '../fields/typebox.ts'
import { checkObjectFields, objectFields } from '../fields/object-fields.ts'
import { defineSink } from '../component.ts'
import type { Config, Finding, ObjectSink } from '../component.ts'
import type { JsonObject } from '../record/json/json.ts'
import { Size } from '../fields/fields.ts'
import { endpointFindings, storeFields } from '../fields/store-fields.ts'
import { SluiceError } from '../errors.ts'
import { currentDestination, locationOf } from './s3/destination.ts'
import type { S3Destination } from './s3/destination.ts'
import { storageFields, storageFindings, storageOf } from './s3/storage.ts'

const fields = {
  bucket: Type.String({
    plain: true,
    minLength: 3,
    maxLength: 255,
    description: 'Name of the S3 bucket, or ARN of an access point.',
  }),
  ...objectFields,
  ...storeFields,
  partSize: Size({
    default: '8MiB',
    description:
      'Part size of a multipart upload, at least 5MiB. An upload holds about five parts in memory; four uploads run at once.',
  }),
  ...storageFields,
}

export default defineSink({
  type: 's3',
  summary: 'Writes compressed NDJSON objects to Amazon S3 or an S3-compatible store, each exactly once.',
  delivers: 'objects',
  fields,
  examples: [
    {
      title: 'Objects by day and hour of event time',
      config: {
        bucket: 'security-lake',
        key: 'jumpcloud/dt={record.timestamp:yyyy-MM-dd}/hour={record.timestamp:HH}',
        roll: { maxBytes: '128MiB', maxAge: '5m' },
      },
    },
    {
      title: 'A bucket in another account',
      config: {
        bucket: 'shared-siem',
        region: 'eu-central-1',
        assumeRole: { arn: 'arn:aws:iam::111122223333:role/siem-writer', externalId: 'sluice' },
        expectedBucketOwner: '111122223333',
        acl: 'bucket-owner-full-control',
      },
    },
    {
      title: 'Storage class, tags and metadata',
      config: {
        bucket: 'security-archive',
        storageClass: 'STANDARD_IA',
        tags: { team: 'security', retention: '7y' },
        metadata: { 'collected-by': 'sluice' },
      },
    },
    {
      title: 'An S3-compatible store',
      config: { bucket: 'events', endpoint: 'http://127.0.0.1:9000', region: 'us-east-1', forcePathStyle: true },
    },
  ],
  check: (config) => findings(config),
  async create(config, { observeRequest: observe }) {
    // The SDK is large: load it only if an s3 sink is created.
    const { createS3Client, configuredLocation } = await import('../s3/client.ts')
    const { checkWriteAccess } = await import('./s3/connect.ts')
    const { listKeys, readObject } = await import('./s3/read.ts')
    const { isVisible } = await import('./s3/look-up.ts')
    const { isInParts, uploadObject } = await import('./s3/upload.ts')
    const { stageObject } = await import('./s3/stage.ts')
    const { handleOf, readHandle, readHandleOf } = await import('./s3/staged-upload.ts')
    const { publishStagedUpload } = await import('./s3/publish-staged.ts')
    const { discardUpload, sweepUploads } = await import('./s3/discard.ts')
    const { probeConditionalPut } = await import('./s3/conditional-put.ts')
    const base = baseDestination(config, await configuredLocation(config))
    const current = (row: JsonObject) => currentDestination(row, base)

    const clients = new Map<string, ReturnType<typeof createS3Client>>()
    const clientOf = ({ region, endpoint, forcePathStyle, checksums }: S3Destination) => {
      const name = JSON.stringify([region, endpoint, forcePathStyle, checksums])
      const client =
        clients.get(name) ??
        createS3Client({
          region,
          ...(endpoint !== undefined && { endpoint }),
          ...(forcePathStyle !== undefined && { forcePathStyle }),
          ...(checksums !== undefined && { checksums }),
          allowInsecure: config.allowInsecure,
          assumeRole: config.assumeRole,
          observe,
        })
      clients.set(name, client)
      return client
    }

    const sink: ObjectSink = {
      maxKeyBytes: 1024,
      destination: (key) => ({ ...base, key }),
      location: locationOf,
      async publish(file, row, signal, attempt) {
        const destination = current(row)
        await uploadObject({ client: clientOf(destination), file, destination, signal, attempt })
      },
      async stage(file, row, signal) {
        const destination = current(row)
        return handleOf(await stageObject({ client: clientOf(destination), file, destination, signal }))
      },
      async publishStaged(handle, file, row, signal, attempt) {
        const destination = current(row)
        const staged = readHandleOf(file, handle)
        const client = clientOf(destination)
        return await publishStagedUpload({ client, staged, file, destination, signal, attempt })
      },
      async discardStaged(handle, row, signal) {
        const destination = current(row)
        await discardUpload({ client: clientOf(destination), destination, ...readHandle(handle), signal })
      },
      sweepStaged(prefix, isDead, signal) {
        const destination = { ...base, key: prefix }
        return sweepUploads({ client: clientOf(destination), destination, isDead, signal })
      },
      exists(row, signal, bytes) {
        const destination = current(row)
        return isVisible(clientOf(destination), destination, { bytes, signal })
      },
      conditionalPutProbe: {
        store(file, row) {
          const destination = current(row)
          const { bucket, endpoint } = destination
          const where = `bucket ${bucket}${endpoint === undefined ? '' : ` at ${endpoint}`}`
          return isInParts(file, destination) ? `${where}, uploads in parts` : where
        },
        run(file, row, signal) {
          const destination = current(row)
          const inParts = isInParts(file, destination)
          return probeConditionalPut({ client: clientOf(destination), destination, inParts, signal })
        },
      },
      open(row, signal) {
        const destination = current(row)
        return readObject(clientOf(destination), destination, signal)
      },
      list(prefix, signal) {
        return listKeys(clientOf({ ...base, key: prefix }), { ...base, prefix }, signal)
      },
      async *connect(prefix, signal) {
        const { allowInsecure, assumeRole } = config
        // A store that is away is found out soon: nobody waits for it.
        const client = createS3Client({ ...base, allowInsecure, assumeRole, maxAttempts: 2, observe })
        try {
          yield* checkWriteAccess(client, { ...base, key: prefix }, signal)
        } finally {
          client.destroy()
        }
      },
      close() {
        for (const client of clients.values()) client.destroy()
      },
    }
    return sink
  },
})

type S3Config = Config<typeof fields>

/** The destination of an object, without its key. */
function baseDestination(
  config: S3Config,
  { region, endpoint }: { readonly region: string | undefined; readonly endpoint: string | undefined },
) {
  const { bucket, forcePathStyle, partSize, checksums, expectedBucketOwner } = config
  // S3-compatible stores have no regions, but the signature needs one.
  const signingRegion = region ?? (endpoint === undefined ? undefined : 'us-east-1')
  if (signingRegion === undefined) {
    throw new SluiceError('SINK_REFUSED', `no region for bucket ${bucket}: set \`region\` or AWS_REGION`)
  }
  return {
    bucket,
    region: signingRegion,
    forcePathStyle,
    partSize,
    checksums,
    ...(endpoint !== undefined && { endpoint }),
    ...(expectedBucketOwner !== undefined && { expectedBucketOwner }),
    ...storageOf(config),
  }
}

const MIN_PART = 5 << 20
const MAX_PART = 5 * 2 ** 30
const MAX_PARTS = 10_000

function* findings(config: S3Config): Generator<Finding> {
  yield* checkObjectFields(config)
  const { partSize, roll } = config
  if (partSize < MIN_PART || partSize > MAX_PART) {
    yield { at: ['partSize'], message: 'S3 accepts parts of 5MiB to 5GiB', hint: 'use 8MiB' }
  } else if (roll.maxBytes / partSize > MAX_PARTS * 0.9) {
    const hint = `use a partSize of ${Math.ceil(roll.maxBytes / (MAX_PARTS * 0.9) / (1 << 20))}MiB or more`
    yield { at: ['partSize'], message: `an object of roll.maxBytes would have more than ${MAX_PARTS} parts`, hint }
  }
  yield* endpointFindings(config, config.bucket)
  yield* storageFindings(config)
}
