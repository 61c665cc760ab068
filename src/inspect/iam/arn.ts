import { SluiceError } from '../../errors.ts'

/** The group of regions that an ARN names. */
export function awsPartition(region: string | undefined): string {
  const start = /^(cn|us-gov|us-isob|us-isof|us-iso|eu-isoe|eusc)-/.exec(region ?? '')?.[1]
  return start === undefined ? 'aws' : (PARTITIONS[start] ?? 'aws')
}

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html */
const PARTITIONS: { readonly [start: string]: string } = {
  cn: 'aws-cn',
  'us-gov': 'aws-us-gov',
  'us-iso': 'aws-iso',
  'us-isob': 'aws-iso-b',
  'us-isof': 'aws-iso-f',
  'eu-isoe': 'aws-iso-e',
  eusc: 'aws-eusc',
}

/** Resources of an S3 bucket, or of an access point, in policies. */
export interface BucketArns {
  readonly bucket: string
  /** @param pattern keys, with `*` and `?` as wildcards. */
  objects(pattern: string): string
}

/** @throws SluiceError USAGE for a bucket whose rights are of another kind */
export function bucketArns(bucket: string, region: string | undefined): BucketArns {
  if (bucket.endsWith('--x-s3')) {
    throw new SluiceError('USAGE', `${bucket} is a directory bucket, which has other rights`, {
      hint: 'use a general purpose bucket; rights on a directory bucket are granted by s3express:CreateSession',
    })
  }
  if (bucket.startsWith('arn:')) return { bucket, objects: (pattern) => `${bucket}/object/${pattern}` }
  const arn = `arn:${awsPartition(region)}:s3:::${bucket}`
  return { bucket: arn, objects: (pattern) => `${arn}/${pattern}` }
}

/**
 * Text without wildcards or variables, for an ARN or a condition:
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
 */
export function literally(text: string): string {
  return text.replace(/[*?$]/g, '${$&}')
}
