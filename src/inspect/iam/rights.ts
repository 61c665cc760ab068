/*
 * What Sluice asks of Amazon S3. A test compares the operations with those that the source code sends,
 * and runs pipelines against a server that records them.
 */

/**
 * The right that S3 demands for each operation:
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
 */
export const RIGHT_OF = {
  AbortMultipartUpload: 's3:AbortMultipartUpload',
  CompleteMultipartUpload: 's3:PutObject',
  CreateMultipartUpload: 's3:PutObject',
  DeleteObject: 's3:DeleteObject',
  GetBucketLifecycleConfiguration: 's3:GetLifecycleConfiguration',
  GetObject: 's3:GetObject',
  HeadObject: 's3:GetObject',
  ListMultipartUploads: 's3:ListBucketMultipartUploads',
  ListObjectsV2: 's3:ListBucket',
  ListParts: 's3:ListMultipartUploadParts',
  PutObject: 's3:PutObject',
  UploadPart: 's3:PutObject',
} as const

export type S3Operation = keyof typeof RIGHT_OF

/**
 * What an identity does. `run`: everything but a queue. `coordinator`: also the backfills whose workers
 * run on other machines. `write`: only what writing cannot do without.
 */
export const USES = ['run', 'write', 'coordinator', 'worker', 'verify'] as const
export type Use = (typeof USES)[number]

export interface Purpose {
  /** Names the statement. */
  readonly name: string
  readonly operations: readonly S3Operation[]
  /**
   * What the rights are for: the objects, their keys in the list of the bucket, the bucket, or the own
   * objects of the conditional-put probe.
   */
  readonly on: 'objects' | 'list' | 'bucket' | 'probe'
  /**
   * Uses that also need it for the uploads with which a process tries the sink; and those that need that
   * only on stores other than Amazon S3.
   */
  readonly trials?: readonly Use[]
  readonly trialsElsewhere?: readonly Use[]
  readonly uses: readonly Use[]
  /** Uses that need it only on stores other than Amazon S3. */
  readonly elsewhere?: readonly Use[]
}

/** Of the s3 sink. */
export const SINK_PURPOSES: readonly Purpose[] = [
  {
    name: 'Write',
    operations: ['PutObject', 'CreateMultipartUpload', 'UploadPart', 'CompleteMultipartUpload'],
    on: 'objects',
    uses: ['run', 'write', 'coordinator', 'worker'],
    trials: ['run', 'write', 'coordinator'],
  },
  {
    name: 'AbortUploads',
    operations: ['AbortMultipartUpload'],
    on: 'objects',
    uses: ['run', 'write', 'coordinator', 'worker'],
    trials: ['run', 'write', 'coordinator'],
  },
  {
    name: 'LookUp',
    operations: ['HeadObject', 'GetObject'],
    on: 'objects',
    uses: ['run', 'coordinator', 'verify'],
    // Before an abort, which removes the object itself on some stores.
    elsewhere: ['worker'],
    trialsElsewhere: ['coordinator'],
  },
  // Without it, S3 says of an absent object that it may not be read.
  {
    name: 'List',
    operations: ['ListObjectsV2'],
    on: 'list',
    uses: ['run', 'coordinator', 'verify'],
    elsewhere: ['worker'],
    trialsElsewhere: ['coordinator'],
  },
  { name: 'FindUploads', operations: ['ListMultipartUploads'], on: 'bucket', uses: ['run', 'coordinator'] },
  { name: 'FindParts', operations: ['ListParts'], on: 'objects', uses: ['coordinator'] },
  {
    name: 'ReadLifecycle',
    operations: ['GetBucketLifecycleConfiguration'],
    on: 'bucket',
    uses: ['run', 'coordinator'],
  },
  // Amazon S3 honours conditions, so the probe leaves no object there.
  { name: 'RemoveProbe', operations: ['DeleteObject'], on: 'probe', uses: [], elsewhere: ['run', 'coordinator'] },
]

/** Of the s3 source. */
export const SOURCE_PURPOSES: readonly Purpose[] = [
  { name: 'ReadInput', operations: ['GetObject'], on: 'objects', uses: ['run', 'write', 'coordinator', 'worker'] },
  { name: 'ListInput', operations: ['ListObjectsV2'], on: 'list', uses: ['run', 'write', 'coordinator'] },
]

/** The purposes of a use. */
export function purposesFor(purposes: readonly Purpose[], use: Use, isAmazon: boolean): Purpose[] {
  return purposes.filter(({ uses, elsewhere = [] }) => uses.includes(use) || (!isAmazon && elsewhere.includes(use)))
}

/** Whether a use needs a purpose also for the uploads with which a process tries the sink. */
export function usesTrials({ trials = [], trialsElsewhere = [] }: Purpose, use: Use, isAmazon: boolean): boolean {
  return trials.includes(use) || (!isAmazon && trialsElsewhere.includes(use))
}

/** The rights of some operations, each once. */
export function rightsOf(operations: readonly S3Operation[]): string[] {
  return [...new Set(operations.map((operation) => RIGHT_OF[operation]))]
}
