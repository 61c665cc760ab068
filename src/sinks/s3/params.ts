import type { S3Destination } from './destination.ts'

/** Parameters of every call for an S3 bucket. */
export function bucketParams({ bucket, expectedBucketOwner }: Pick<S3Destination, 'bucket' | 'expectedBucketOwner'>) {
  return { Bucket: bucket, ...(expectedBucketOwner !== undefined && { ExpectedBucketOwner: expectedBucketOwner }) }
}

/** Parameters of every call for an object. */
export function objectParams(destination: S3Destination) {
  return { ...bucketParams(destination), Key: destination.key }
}
