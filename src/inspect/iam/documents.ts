import { SluiceError } from '../../errors.ts'
import type { S3Access } from './access.ts'
import { bucketArns } from './arn.ts'
import { kmsStatements, s3Statements } from './statements.ts'
import type { Statement } from './statements.ts'
import type { Use } from './rights.ts'

/** A document for AWS, and what it is for. */
export interface AwsDocument {
  /** What it belongs to: `the identity that runs Sluice`, `the role arn:…`, `bucket audit`. */
  readonly of: string
  readonly document: Policy | Lifecycle
}

interface Policy {
  readonly Version: '2012-10-17'
  readonly Statement: readonly Statement[]
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html */
interface Lifecycle {
  readonly Rules: readonly {
    readonly ID: string
    readonly Status: 'Enabled'
    readonly Filter: { readonly Prefix: string }
    readonly AbortIncompleteMultipartUpload: { readonly DaysAfterInitiation: number }
  }[]
}

/** Policies of the identity that runs Sluice, and of each role that it assumes. */
export function identityPolicies(
  accesses: readonly S3Access[],
  use: Use,
  bucketKeys: readonly string[],
): AwsDocument[] {
  const byRole = groupBy(accesses, ({ role }) => role?.arn)
  const roles = [...byRole.keys()].filter((arn) => arn !== undefined)
  const statementsOf = (arn: string | undefined): Statement[] => {
    const own = byRole.get(arn) ?? []
    return [...s3Statements(own, use), ...kmsStatements(own, use, bucketKeys)]
  }
  const needed = roles.filter((arn) => statementsOf(arn).length > 0)
  const assume: Statement[] =
    needed.length === 0 ? [] : [{ Sid: 'AssumeRole', Effect: 'Allow', Action: ['sts:AssumeRole'], Resource: needed }]
  const all = [
    { of: 'the identity that runs Sluice', statements: [...statementsOf(undefined), ...assume] },
    ...needed.map((arn) => ({ of: `the role ${arn}`, statements: statementsOf(arn) })),
  ]
  return all
    .filter(({ statements }) => statements.length > 0)
    .map(({ of, statements }) => ({ of, document: policy(statements) }))
}

/**
 * Who may assume the roles of the pipelines.
 * @throws SluiceError USAGE if no pipeline assumes one
 */
export function trustPolicies(accesses: readonly S3Access[], principal: string | undefined): AwsDocument[] {
  const roles = new Map(accesses.flatMap(({ role }) => (role === undefined ? [] : [[role.arn, role] as const])))
  if (roles.size === 0) {
    throw new SluiceError('USAGE', 'no s3 component of these pipelines assumes a role', {
      hint: 'set assumeRole.arn in the pipeline, or print the policies with --iam',
    })
  }
  const who = principal ?? missingPrincipal('who assumes the role')
  return [...roles.values()].map(({ arn, externalId }) => ({
    of: `the role ${arn}`,
    document: policy([
      {
        Sid: 'Assume',
        Effect: 'Allow',
        Principal: { AWS: [who] },
        Action: ['sts:AssumeRole'],
        ...(externalId !== undefined && { Condition: { StringEquals: { 'sts:ExternalId': externalId } } }),
      },
    ]),
  }))
}

/**
 * Policies of the buckets: the same rights for the identity, and only encrypted connections for all.
 * @throws SluiceError USAGE without a principal for a bucket that is used without a role
 */
export function bucketPolicies(accesses: readonly S3Access[], use: Use, principal: string | undefined): AwsDocument[] {
  return byBucket(accesses).map(([bucket, own]) => {
    const whoOf = ({ role }: S3Access): string =>
      principal ?? role?.arn ?? missingPrincipal(`who uses bucket ${bucket}`)
    const allowed = [...groupBy(own, whoOf)].flatMap(([who, of], at) =>
      s3Statements(of, use).map((statement) => ({
        ...statement,
        Sid: at === 0 ? statement.Sid : `${statement.Sid}Of${at + 1}`,
        Principal: { AWS: [who] },
      })),
    )
    const arns = bucketArns(bucket, own[0]?.region)
    const encrypted: Statement = {
      Sid: 'DenyPlainHttp',
      Effect: 'Deny',
      Principal: '*',
      Action: ['s3:*'],
      Resource: [arns.bucket, arns.objects('*')],
      Condition: { Bool: { 'aws:SecureTransport': 'false' } },
    }
    return { of: `bucket ${bucket}`, document: policy([...allowed, encrypted]) }
  })
}

/** Rules that remove unfinished uploads of the sinks. */
export function lifecycles(accesses: readonly S3Access[]): AwsDocument[] {
  const sinks = accesses.filter(({ kind }) => kind === 'sink')
  return byBucket(sinks).map(([bucket, own]) => {
    const folders = [...new Set(own.map(({ folder }) => folder))]
    const widest = folders.filter((folder) => !folders.some((other) => other !== folder && folder.startsWith(other)))
    const rules = widest.map((folder, at) => ({
      ID: `sluice-unfinished-uploads${widest.length === 1 ? '' : `-${at + 1}`}`,
      Status: 'Enabled' as const,
      Filter: { Prefix: folder },
      AbortIncompleteMultipartUpload: { DaysAfterInitiation: DAYS },
    }))
    return { of: `bucket ${bucket}`, document: { Rules: rules } }
  })
}

/** Longer than an outage, or a parallel backfill with a queue. */
const DAYS = 7

function byBucket(accesses: readonly S3Access[]): [string, S3Access[]][] {
  return [...groupBy(accesses, ({ bucket }) => bucket)]
}

function policy(statements: readonly Statement[]): Policy {
  return { Version: '2012-10-17', Statement: statements }
}

function missingPrincipal(who: string): never {
  throw new SluiceError('USAGE', `nothing says ${who}`, {
    hint: 'give --principal with the ARN of the role or user that runs Sluice',
  })
}

function groupBy<Key>(accesses: readonly S3Access[], keyOf: (access: S3Access) => Key): Map<Key, S3Access[]> {
  const groups = new Map<Key, S3Access[]>()
  for (const access of accesses) {
    const key = keyOf(access)
    groups.set(key, [...(groups.get(key) ?? []), access])
  }
  return groups
}
