import { SluiceError } from '../../errors.ts'
import type { JsonObject } from '../../record/json/json.ts'
import type { S3Location } from '../../s3/client.ts'
import type { Storage } from './storage.ts'

/** Everything that the upload of an object needs except credentials, as JSON. */
export interface S3Destination extends S3Location, Storage {
  readonly bucket: string
  readonly key: string
  readonly partSize: number
  readonly expectedBucketOwner?: string
}

/**
 * The destination to use for an object that was committed earlier. Where it goes is stored with it:
 * bucket, key, account, store. How to talk to the store, and how the store keeps objects, follow
 * the configuration, as long as that names the same bucket of the same store: region, path style,
 * checksums, part size, the spelling of the endpoint, and all of `Storage`. So an object that the
 * store refuses because of one of them is published as soon as the configuration is corrected.
 * @param configured the destination of a new object, without its key.
 */
export function currentDestination(row: JsonObject, configured: Omit<S3Destination, 'key'>): S3Destination {
  const stored = readDestination(row)
  if (stored.bucket !== configured.bucket || storeOf(stored) !== storeOf(configured)) return stored
  const { expectedBucketOwner: _owner, ...how } = configured
  const { key, expectedBucketOwner } = stored
  return { ...how, key, ...(expectedBucketOwner !== undefined && { expectedBucketOwner }) }
}

/** Where an object goes, for messages: `s3://audit/a.ndjson.gz at 127.0.0.1:9000`. */
export function locationOf(row: JsonObject): string {
  const destination = readDestination(row)
  const { bucket, key, expectedBucketOwner } = destination
  const store = storeOf(destination)
  const at = store === AWS ? '' : ` at ${store}`
  return `s3://${bucket}/${key}${at}${expectedBucketOwner === undefined ? '' : ` of account ${expectedBucketOwner}`}`
}

/**
 * Names the store that a bucket name belongs to: host, port and path of the endpoint (a gateway may
 * have a store at each path), or the group of AWS regions in which bucket names are unique (`aws`, `aws-cn`, `aws-us-gov`).
 */
function storeOf({ endpoint, region }: Pick<S3Destination, 'endpoint' | 'region'>): string {
  if (endpoint !== undefined) {
    if (!URL.canParse(endpoint)) return endpoint
    const { host, pathname } = new URL(endpoint)
    return host + pathname.replace(/\/+$/, '')
  }
  const group = /^(cn|us-gov|[a-z]+-iso[a-z]*)-/.exec(region)?.[1]
  return group === undefined ? AWS : `${AWS}-${group}`
}

/** True for Amazon S3 itself. Other stores may differ from its documentation. */
export function isAmazon({ endpoint }: Pick<S3Destination, 'endpoint'>): boolean {
  if (endpoint === undefined) return true
  return URL.canParse(endpoint) && /\.amazonaws\.com(\.cn)?$/.test(new URL(endpoint).hostname)
}

const AWS = 'aws'

/** A destination that was stored in the state. */
function readDestination(row: object): S3Destination {
  if (isDestination(row)) return row
  throw new SluiceError('STATE_DAMAGED', 'an object row of the s3 sink has no bucket, key, region or part size')
}

function isDestination(row: object): row is S3Destination {
  return 'bucket' in row && 'key' in row && 'region' in row && 'partSize' in row
}
