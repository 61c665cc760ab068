import { PROBE } from '../../sinks/s3/trials.ts'
import type { S3Access } from './access.ts'
import { awsPartition, bucketArns, literally } from './arn.ts'
import { purposesFor, rightsOf, SINK_PURPOSES, SOURCE_PURPOSES, usesTrials } from './rights.ts'
import type { Purpose, Use } from './rights.ts'

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_statement.html */
export interface Statement {
  readonly Sid: string
  readonly Effect: 'Allow' | 'Deny'
  readonly Principal?: '*' | { readonly AWS: readonly string[] }
  readonly Action: readonly string[]
  readonly Resource?: readonly string[]
  readonly Condition?: Condition
}

type Condition = { readonly [operator: string]: { readonly [key: string]: string | readonly string[] } }

/** The rights in S3 that some components need, with as few statements as possible. */
export function s3Statements(accesses: readonly S3Access[], use: Use): Statement[] {
  const grants = accesses.flatMap((access) => [...grantsOf(access, use)])
  return named(merge(grants))
}

/**
 * The rights on KMS keys. S3 decrypts the parts of an upload to join them, so writing needs both.
 * @param bucketKeys ARNs of keys with which buckets encrypt by default.
 */
export function kmsStatements(accesses: readonly S3Access[], use: Use, bucketKeys: readonly string[]): Statement[] {
  const grants: Grant[] = []
  for (const access of accesses) {
    if (access.kind === 'source' && use === 'verify') continue
    const actions =
      access.kind === 'source' || use === 'verify' ? ['kms:Decrypt'] : ['kms:GenerateDataKey', 'kms:Decrypt']
    const own = access.encryption?.key
    for (const key of [...bucketKeys, ...(own === undefined ? [] : [own])]) {
      grants.push({ name: actions.length > 1 ? 'Encrypt' : 'Decrypt', actions, ...kmsKey(key, access.region) })
    }
  }
  return named(merge(grants))
}

interface Grant {
  readonly name: string
  readonly actions: readonly string[]
  readonly resources: readonly string[]
  /** Prefixes of lists. */
  readonly prefixes?: readonly string[]
  readonly condition?: Condition
}

function* grantsOf(access: S3Access, use: Use): Generator<Grant> {
  const { kind, bucket, region, keys, lists, options, isAmazon } = access
  const arns = bucketArns(bucket, region)
  const purposes = kind === 'sink' ? SINK_PURPOSES : SOURCE_PURPOSES
  for (const purpose of purposesFor(purposes, use, isAmazon)) {
    const { name, on } = purpose
    const trials = usesTrials(purpose, use, isAmazon) ? access.trials : []
    const actions = actionsOf(purpose, options)
    if (on === 'list') {
      const prefixes = [...lists, ...trials]
      if (prefixes.length > 0) yield { name, actions, resources: [arns.bucket], prefixes }
    } else if (on === 'bucket') {
      yield { name, actions, resources: [arns.bucket] }
    } else if (on === 'probe') {
      yield { name, actions, resources: keys.map((key) => arns.objects(`${key}${PROBE}*`)) }
    } else {
      yield { name, actions, resources: [...keys, ...trials].map((key) => arns.objects(key)) }
    }
  }
}

function actionsOf({ name, operations }: Purpose, { acl, tags, versions }: S3Access['options']): string[] {
  const actions = rightsOf(operations)
  if (name === 'Write')
    return [...actions, ...(acl ? ['s3:PutObjectAcl'] : []), ...(tags ? ['s3:PutObjectTagging'] : [])]
  // In a versioned bucket the probe removes its only version.
  if (name === 'RemoveProbe') return [...actions, 's3:DeleteObjectVersion']
  // A version that was begun is read to its end, even if there is a newer one.
  if (name === 'ReadInput') return versions ? ['s3:GetObjectVersion'] : [...actions, 's3:GetObjectVersion']
  return actions
}

/** A key of KMS as a resource. S3 finds an id or an alias in the account that writes. */
function kmsKey(key: string, region = '*'): Pick<Grant, 'resources' | 'condition'> {
  const arn = /^(arn:[^:]+:kms:[^:]+:[^:]+):(key|alias)\/(.+)$/.exec(key)
  const alias = arn?.[2] === 'alias' ? `alias/${arn[3]}` : /^alias\/.+/.exec(key)?.[0]
  const base = arn?.[1] ?? `arn:${awsPartition(region)}:kms:${region}:*`
  if (alias === undefined) return { resources: [arn === null ? `${base}:key/${literally(key)}` : key] }
  // An alias is no resource of a right on its key.
  return {
    resources: [`${base}:key/*`],
    condition: { 'ForAnyValue:StringEquals': { 'kms:ResourceAliases': alias } },
  }
}

/** One grant for those of a name that differ in their resources only, or in their prefixes only. */
function merge(grants: readonly Grant[]): Grant[] {
  const merged = new Map<string, Grant>()
  for (const grant of grants) {
    const { name, actions, resources, prefixes, condition } = grant
    const key = JSON.stringify([name, actions, condition, prefixes === undefined ? '' : resources])
    const known = merged.get(key)
    merged.set(key, {
      ...grant,
      resources: union(known?.resources, resources),
      ...(prefixes !== undefined && { prefixes: union(known?.prefixes, prefixes) }),
    })
  }
  return [...merged.values()]
}

/** Without those that another one with a `*` at its end covers. */
function union(one: readonly string[] = [], other: readonly string[]): string[] {
  const all = [...new Set([...one, ...other])]
  return all.filter((text) => !all.some((wide) => wide !== text && wide.endsWith('*') && covers(wide, text)))
}

function covers(wide: string, text: string): boolean {
  const start = wide.slice(0, -1)
  // A start with wildcards of its own covers only what repeats them.
  return text.startsWith(start)
}

/** A policy refuses two statements of one name. */
function named(grants: readonly Grant[]): Statement[] {
  const counts = new Map<string, number>()
  return grants.map(({ name, actions, resources, prefixes, condition }) => {
    const count = (counts.get(name) ?? 0) + 1
    counts.set(name, count)
    const full = prefixes === undefined || prefixes.includes('*') ? condition : prefixCondition(prefixes)
    return {
      Sid: count === 1 ? name : `${name}${count}`,
      Effect: 'Allow',
      Action: actions,
      Resource: resources,
      ...(full !== undefined && { Condition: full }),
    }
  })
}

function prefixCondition(prefixes: readonly string[]): Condition {
  return { StringLike: { 's3:prefix': prefixes } }
}
