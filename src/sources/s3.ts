/*
 * The s3 source reads objects of a bucket in the order of their keys.
 *
 * The position of a path is a key: everything up to it was read. So it stays small with a million
 * objects, and a poll lists only the keys after it. Keys that are written later and sort before it
 * (another account of CloudTrail, another day of a stream, an upload that took long) are found by a
 * look-back: now and then all keys are listed, and objects that were modified within `lookBack` are
 * read unless they are known (`s3/progress.ts`).
 *
 * An object is read in ranges of 4 MiB, several at once, each on the condition that the object is
 * the one that was listed (`s3/get-range.ts`). A response that breaks is resumed where it broke.
 */
import { defineSource } from '../component.ts'
import { readersList } from './content/records-setting.ts'
import { checkConfig, readSettings } from './s3/check.ts'
import { fields } from './s3/fields.ts'
import { describePosition, rewind } from './s3/position.ts'

export default defineSource({
  type: 's3',
  summary: 'Reads NDJSON and JSON arrays from objects of Amazon S3 or an S3-compatible store, plain or compressed.',
  fields,
  examples: [
    { title: 'Everything below a prefix', config: { path: 's3://audit-archive/jumpcloud/' } },
    {
      title: 'CloudTrail: the last 30 days of all accounts and regions',
      config: {
        path: 's3://my-trail/AWSLogs/*/CloudTrail/*/{yyyy}/{MM}/{dd}/*.json.gz',
        records: 'Records',
        since: '30d',
      },
    },
    {
      title: 'A bucket of another account that is paid by the requester',
      config: {
        path: 's3://shared-logs/2026/*.gz',
        region: 'eu-central-1',
        requesterPays: true,
        assumeRole: { arn: 'arn:aws:iam::111122223333:role/log-reader' },
      },
    },
    {
      title: 'An S3-compatible store',
      config: {
        path: 's3://events/archive/**/*.ndjson.zst',
        endpoint: 'http://127.0.0.1:9000',
        region: 'us-east-1',
        forcePathStyle: true,
      },
    },
  ],
  lists: [readersList],
  repeats: false,
  check: (config) => checkConfig(config),
  describePosition,
  rewind,
  async create(config, { observeRequest }) {
    const { openS3Source, openStoreWith } = await import('./s3/open.ts')
    return openS3Source(config, readSettings(config, Date.now()), openStoreWith(observeRequest))
  },
})
