import { Type } from '../fields/typebox.ts'
import { checkObjectFields, objectFields } from '../fields/object-fields.ts'
import { defineSink } from '../component.ts'
import type { Config, Finding, ObjectSink } from '../component.ts'
import { Choice, Size } from '../fields/fields.ts'
import { SluiceError } from '../errors.ts'
import type { S3Destination } from './s3/upload.ts'

const fields = {
  bucket: Type.String({ minLength: 3, maxLength: 255, description: 'Name of the bucket, or ARN of an access point.' }),
  ...objectFields,
  region: Type.Optional(
    Type.String({
      minLength: 1,
      description: 'Region of the bucket; by default that of the environment (AWS_REGION) or profile.',
    }),
  ),
  endpoint: Type.Optional(
    Type.String({
      minLength: 1,
      description: 'URL of another store that speaks S3, for example `http://127.0.0.1:9000`.',
    }),
  ),
  forcePathStyle: Type.Boolean({
    default: false,
    description: 'Puts the bucket into the path and not into the host name; most other stores want it.',
  }),
  partSize: Size({
    default: '8MiB',
    description:
      'Part of a multipart upload, at least 5MiB. An upload holds about five in memory, and four uploads run at once.',
  }),
  assumeRole: Type.Optional(
    Type.Object(
      {
        arn: Type.String({ minLength: 20, description: 'ARN of the role.' }),
        externalId: Type.Optional(Type.String({ minLength: 2, description: 'What the role’s trust policy asks for.' })),
        sessionName: Type.Optional(
          Type.String({
            pattern: '^[\\w+=,.@-]{2,64}$',
            description: 'Shows up in the audit log of the account; default `sluice`.',
          }),
        ),
      },
      { description: 'Writes with the credentials of this role, for a bucket in another account.' },
    ),
  ),
  expectedBucketOwner: Type.Optional(
    Type.String({
      pattern: '^[0-9]{12}$',
      description: 'Account that must own the bucket: anything else is refused. Quote it in YAML.',
    }),
  ),
  acl: Type.Optional(
    Choice(
      [
        'private',
        'bucket-owner-full-control',
        'bucket-owner-read',
        'authenticated-read',
        'aws-exec-read',
        'public-read',
      ],
      {
        description:
          'Canned ACL, where the bucket still takes ACLs: `bucket-owner-full-control` for a bucket of another account.',
      },
    ),
  ),
  serverSideEncryption: Type.Optional(
    Choice(['AES256', 'aws:kms', 'aws:kms:dsse'], {
      description: 'Encryption at rest; by default what the bucket does.',
    }),
  ),
  kmsKeyId: Type.Optional(
    Type.String({ minLength: 1, description: 'Key for `aws:kms`; by default the account’s own.' }),
  ),
  checksums: Choice(['when-supported', 'when-required'], {
    default: 'when-supported',
    description: 'CRC32 checksums of what is sent. `when-required` for stores that do not know them.',
  }),
}

/** No Content-Encoding is set: with it many readers would unpack an object whose name says that it is packed. */
export default defineSink({
  type: 's3',
  summary: 'Writes compressed NDJSON objects to Amazon S3 or a store that speaks S3, each exactly once.',
  delivers: 'objects',
  fields,
  examples: [
    {
      title: 'A bucket by day and hour of the events',
      config: {
        bucket: 'security-lake',
        key: 'jumpcloud/dt={record.timestamp:yyyy-MM-dd}/hour={record.timestamp:HH}',
        roll: { maxBytes: '128MiB', maxAge: '5m' },
      },
    },
    {
      title: 'A bucket of another account',
      config: {
        bucket: 'shared-siem',
        region: 'eu-central-1',
        assumeRole: { arn: 'arn:aws:iam::111122223333:role/siem-writer', externalId: 'sluice' },
        expectedBucketOwner: '111122223333',
        acl: 'bucket-owner-full-control',
      },
    },
    {
      title: 'Another store',
      config: { bucket: 'events', endpoint: 'http://127.0.0.1:9000', region: 'us-east-1', forcePathStyle: true },
    },
  ],
  check: (config) => findings(config),
  async create(config) {
    // The SDK is large: only those who use it load it.
    const { createS3Client, defaultRegion } = await import('../s3/client.ts')
    const { tryWriting } = await import('./s3/connect.ts')
    const { listKeys, readObject } = await import('./s3/read.ts')
    const { isVisible, uploadObject } = await import('./s3/upload.ts')
    const place = placeOf(config, config.region ?? (await defaultRegion()))

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
          assumeRole: config.assumeRole,
        })
      clients.set(name, client)
      return client
    }

    const sink: ObjectSink = {
      maxKeyBytes: 1024,
      destination: (key) => ({ ...place, key }),
      async publish(file, row, signal, attempt) {
        const destination = readDestination(row)
        await uploadObject({ client: clientOf(destination), file, destination, signal, attempt })
      },
      exists(row, signal) {
        const destination = readDestination(row)
        return isVisible(clientOf(destination), destination, signal)
      },
      conditionalPutProbe: {
        store(file, row) {
          const { bucket, endpoint, partSize } = readDestination(row)
          const where = `bucket ${bucket}${endpoint === undefined ? '' : ` at ${endpoint}`}`
          return file.bytes > partSize ? `${where}, uploads in parts` : where
        },
        async isRefused(file, row, signal, attempt) {
          const destination = readDestination(row)
          return !(await uploadObject({ client: clientOf(destination), file, destination, signal, attempt }))
        },
      },
      open(row, signal) {
        const destination = readDestination(row)
        return readObject(clientOf(destination), destination, signal)
      },
      list(prefix, signal) {
        return listKeys(clientOf({ ...place, key: prefix }), { ...place, prefix }, signal)
      },
      connect(prefix, signal) {
        return tryWriting(clientOf({ ...place, key: prefix }), { ...place, key: prefix }, signal)
      },
      close() {
        for (const client of clients.values()) client.destroy()
      },
    }
    return sink
  },
})

type S3Config = Config<typeof fields>

function placeOf(config: S3Config, region: string | undefined) {
  const { bucket, endpoint, forcePathStyle, partSize, checksums } = config
  const { expectedBucketOwner, acl, serverSideEncryption, kmsKeyId } = config
  // A store of one's own has no regions, but signatures name one.
  const signed = region ?? (endpoint === undefined ? undefined : 'us-east-1')
  if (signed === undefined) {
    throw new SluiceError('SINK_REFUSED', `no region for bucket ${bucket}: set \`region\` or AWS_REGION`)
  }
  return {
    bucket,
    region: signed,
    forcePathStyle,
    partSize,
    checksums,
    ...(endpoint !== undefined && { endpoint }),
    ...(expectedBucketOwner !== undefined && { expectedBucketOwner }),
    ...(acl !== undefined && { acl }),
    ...(serverSideEncryption !== undefined && { serverSideEncryption }),
    ...(kmsKeyId !== undefined && { kmsKeyId }),
  }
}

/** A row of ours, read back from the state. */
function readDestination(row: object): S3Destination {
  if (isDestination(row)) return row
  throw new SluiceError('STATE_DAMAGED', 'an object row of s3 lacks its bucket, key or region')
}

function isDestination(row: object): row is S3Destination {
  return 'bucket' in row && 'key' in row && 'region' in row && 'partSize' in row
}

const MIN_PART = 5 << 20
const MAX_PART = 5 * 2 ** 30
const MAX_PARTS = 10_000

function* findings(config: S3Config): Generator<Finding> {
  yield* checkObjectFields(config)
  const { partSize, roll, endpoint, kmsKeyId, serverSideEncryption } = config
  if (partSize < MIN_PART || partSize > MAX_PART) {
    yield { at: ['partSize'], message: 'S3 takes parts of 5MiB to 5GiB', hint: 'use 8MiB' }
  } else if (roll.maxBytes / partSize > MAX_PARTS * 0.9) {
    const hint = `use a partSize of ${Math.ceil(roll.maxBytes / (MAX_PARTS * 0.9) / (1 << 20))}MiB or more`
    yield { at: ['partSize'], message: `an object of roll.maxBytes would have more than ${MAX_PARTS} parts`, hint }
  }
  if (endpoint !== undefined && !/^https?:\/\//.test(endpoint)) {
    yield { at: ['endpoint'], message: 'an endpoint is a URL', hint: `write https://${endpoint}` }
  }
  if (kmsKeyId !== undefined && !serverSideEncryption?.startsWith('aws:kms')) {
    yield { at: ['kmsKeyId'], message: 'a KMS key needs aws:kms', hint: 'set serverSideEncryption: aws:kms' }
  }
}
