import assert from 'node:assert/strict'
import type { RequestRecord } from '../servers/s3.ts'

export interface Policy {
  readonly Version: string
  readonly Statement: readonly Statement[]
}

interface Statement {
  readonly Sid: string
  readonly Effect: string
  readonly Principal?: unknown
  readonly Action: readonly string[]
  readonly Resource?: readonly string[]
  readonly Condition?: { readonly StringLike?: { readonly 's3:prefix': readonly string[] } }
}

/** What a request asks of IAM. */
interface Ask {
  readonly action: string
  readonly resource: string
  /** Of a list. */
  readonly prefix?: string
}

/**
 * The rights that Amazon S3 demands for a request, from its documentation, and not from our table:
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
 */
export function asksOf({ operation, bucket, key, query, headers }: RequestRecord): Ask[] {
  const object = `arn:aws:s3:::${bucket}/${key}`
  const whole = `arn:aws:s3:::${bucket}`
  const parameters = new Map(query)
  const version = parameters.get('versionId')
  const on = (...actions: string[]): Ask[] => actions.map((action) => ({ action, resource: object }))
  const writing = [
    's3:PutObject',
    ...(headers['x-amz-acl'] === undefined ? [] : ['s3:PutObjectAcl']),
    ...(headers['x-amz-tagging'] === undefined ? [] : ['s3:PutObjectTagging']),
    // Only this condition asks what is there: `If-None-Match` needs no right of its own.
    ...(headers['if-match'] === undefined ? [] : ['s3:GetObject']),
  ]
  switch (operation) {
    case 'PutObject':
    case 'CreateMultipartUpload':
    case 'UploadPart':
    case 'CompleteMultipartUpload':
      return on(...writing)
    case 'AbortMultipartUpload':
      return on('s3:AbortMultipartUpload')
    case 'ListParts':
      return on('s3:ListMultipartUploadParts')
    case 'DeleteObject':
      return on(version === undefined ? 's3:DeleteObject' : 's3:DeleteObjectVersion')
    case 'GetObject':
      return on(version === undefined ? 's3:GetObject' : 's3:GetObjectVersion')
    // The answer to whether an object is absent: S3 takes its key for the prefix of a list.
    case 'HeadObject':
      return version === undefined
        ? [...on('s3:GetObject'), { action: 's3:ListBucket', resource: whole, prefix: key }]
        : on('s3:GetObjectVersion')
    case 'ListObjectsV2':
      return [{ action: 's3:ListBucket', resource: whole, prefix: parameters.get('prefix') ?? '' }]
    case 'ListMultipartUploads':
      return [{ action: 's3:ListBucketMultipartUploads', resource: whole }]
    case 'GetBucketLifecycleConfiguration':
      return [{ action: 's3:GetLifecycleConfiguration', resource: whole }]
    default:
      throw new Error(`the test knows no right for ${operation}`)
  }
}

/** Decides as IAM does, and notes which parts of a policy were of use. */
export class Evaluator {
  readonly #policy: Policy
  readonly #used = new Set<string>()

  constructor(policy: Policy) {
    checkShape(policy)
    this.#policy = policy
  }

  allows({ action, resource, prefix }: Ask): boolean {
    let isAllowed = false
    for (const { Sid, Effect, Action, Resource, Condition } of this.#policy.Statement) {
      const prefixes = Condition?.StringLike?.['s3:prefix']
      const fits = (Resource ?? ['*']).filter((pattern) => isLike(pattern, resource))
      const fitting = prefixes?.filter((pattern) => prefix !== undefined && isLike(pattern, prefix)) ?? ['']
      if (Effect !== 'Allow' || !Action.includes(action) || fits.length === 0 || fitting.length === 0) continue
      for (const pattern of fits) this.#used.add(`${Sid} ${pattern}`)
      for (const pattern of fitting) this.#used.add(`${Sid} prefix ${pattern}`)
      this.#used.add(`${Sid} ${action}`)
      isAllowed = true
    }
    return isAllowed
  }

  /** Statements with actions, resources or prefixes that no request has used. */
  get unused(): string[] {
    return this.#policy.Statement.flatMap(({ Sid, Action, Resource, Condition }) => [
      ...[...Action, ...(Resource ?? [])].map((part) => `${Sid} ${part}`),
      ...(Condition?.StringLike?.['s3:prefix'] ?? []).map((prefix) => `${Sid} prefix ${prefix}`),
    ]).filter((part) => !this.#used.has(part))
  }
}

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html */
export function checkShape(policy: Policy): void {
  assert.deepEqual(Object.keys(policy), ['Version', 'Statement'])
  assert.equal(policy.Version, '2012-10-17')
  assert.ok(policy.Statement.length > 0)
  const names = policy.Statement.map(({ Sid }) => Sid)
  assert.equal(new Set(names).size, names.length, `a name twice: ${names.join(', ')}`)
  const known = ['Sid', 'Effect', 'Principal', 'Action', 'Resource', 'Condition']
  for (const statement of policy.Statement) {
    for (const key of Object.keys(statement)) assert.ok(known.includes(key), key)
    const { Sid, Effect, Action, Resource } = statement
    assert.match(Sid, /^[A-Za-z0-9]+$/)
    assert.match(Effect, /^(Allow|Deny)$/)
    for (const action of Action) assert.match(action, /^(s3|kms|sts):([A-Za-z]+|\*)$/)
    if (Effect === 'Allow') assert.ok(!Action.some((action) => action.includes('*')), Sid)
    for (const resource of Resource ?? []) assert.match(resource, /^(\*|arn:aws[a-z-]*:(s3|kms|iam):.+)$/)
    for (const list of [Action, Resource ?? []]) assert.equal(new Set(list).size, list.length)
  }
}

/** `*`, `?`, and `${*}`, `${?}`, `${$}` for the characters themselves. */
function isLike(pattern: string, text: string): boolean {
  const source = pattern.replace(/\$\{([*?$])\}|[\s\S]/g, (part, literal?: string) => {
    if (literal !== undefined) return `\\${literal}`
    if (part === '*') return '.*'
    return part === '?' ? '.' : part.replace(/[\\^$.|+()[\]{}]/, '\\$&')
  })
  return new RegExp(`^${source}$`, 's').test(text)
}
