import { GetBucketLifecycleConfigurationCommand } from '@aws-sdk/client-s3'
import type { LifecycleRule, S3Client } from '@aws-sdk/client-s3'
import type { ConnectionCheck } from '../../component.ts'
import { plural } from '../../observe/report.ts'
import { s3Facts } from '../../s3/errors.ts'
import type { S3Destination } from './destination.ts'
import { bucketParams } from './params.ts'

/**
 * Says after how many days the bucket removes unfinished uploads below the key of the destination.
 * Undefined where that cannot be known: no right, or a store without such rules.
 */
export async function checkLifecycle(
  client: S3Client,
  destination: S3Destination,
  signal: AbortSignal,
): Promise<ConnectionCheck | undefined> {
  const what = `lifecycle rule for unfinished uploads in ${destination.bucket}`
  const request = new GetBucketLifecycleConfigurationCommand(bucketParams(destination))
  const [answer] = await Promise.allSettled([client.send(request, { abortSignal: signal })])
  if (answer.status === 'rejected') {
    return s3Facts(answer.reason).code === 'NoSuchLifecycleConfiguration' ? { what, found: NONE } : undefined
  }
  const days = (answer.value.Rules ?? []).flatMap((rule) => daysOf(rule, destination.key))
  if (days.length === 0) return { what, found: NONE }
  const first = Math.min(...days)
  const short = first > SHORT ? '' : '; a parallel backfill with a queue must not take longer'
  return { what, found: `removes them after ${plural(first, 'day')}${short}` }
}

const NONE = 'none: what a killed run leaves stays, and costs money'
/** Days. */
const SHORT = 2

function daysOf({ Status, Filter, Prefix, AbortIncompleteMultipartUpload: abort }: LifecycleRule, key: string) {
  const prefix = Filter?.And?.Prefix ?? Filter?.Prefix ?? Prefix ?? ''
  const days = abort?.DaysAfterInitiation
  return Status === 'Enabled' && days !== undefined && key.startsWith(prefix) ? [days] : []
}
