import { Readable } from 'node:stream'
import { GetObjectCommand, paginateListObjectsV2 } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import { notS3, s3Error, s3Facts } from '../../s3/errors.ts'
import type { S3Destination } from './destination.ts'
import { bucketParams, objectParams } from './params.ts'

/**
 * The bytes of an object; undefined if it does not exist.
 * @throws SluiceError SINK_UNAVAILABLE; SINK_REFUSED, also for an absent object if listing is not
 *   allowed
 */
export async function readObject(
  client: S3Client,
  destination: S3Destination,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  const call = { operation: 'GetObject', bucket: destination.bucket }
  try {
    const { Body: body } = await client.send(new GetObjectCommand(objectParams(destination)), { abortSignal: signal })
    return body instanceof Readable ? withS3Errors(body, call) : undefined
  } catch (error) {
    if (s3Facts(error).code === 'NoSuchKey') return undefined
    throw s3Error(error, call)
  }
}

/**
 * The keys of an S3 bucket that start with a prefix. @throws SluiceError SINK_REFUSED,
 * SINK_UNAVAILABLE
 */
export async function* listKeys(
  client: S3Client,
  { prefix, ...bucket }: Pick<S3Destination, 'bucket' | 'expectedBucketOwner'> & { readonly prefix: string },
  signal: AbortSignal,
): AsyncGenerator<string> {
  const request = { ...bucketParams(bucket), Prefix: prefix }
  const pages = paginateListObjectsV2({ client }, request, { abortSignal: signal })
  try {
    for await (const { Contents: contents = [], IsTruncated } of pages) {
      if (IsTruncated === undefined) throw notS3({ operation: 'ListObjectsV2', bucket: bucket.bucket })
      for (const { Key: key } of contents) if (key) yield key
    }
  } catch (error) {
    throw s3Error(error, { operation: 'ListObjectsV2', bucket: bucket.bucket })
  }
}

async function* withS3Errors(body: Readable, call: Parameters<typeof s3Error>[1]): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of body) yield chunk
  } catch (error) {
    throw s3Error(error, call)
  }
}
