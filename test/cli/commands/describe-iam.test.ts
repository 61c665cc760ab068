import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { listShipped } from '../../../src/config/shipped.ts'
import { openProject } from '../../support/cli-project.ts'
import { checkShape } from '../../support/iam.ts'
import type { Policy } from '../../support/iam.ts'
import { REPOSITORY } from '../../support/paths.ts'

const KEY = 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab'
const ROLE = 'arn:aws:iam::111122223333:role/siem-writer'
/** No profile of the machine, and no store but Amazon S3. */
const ENV = { AWS_CONFIG_FILE: '/nonexistent', AWS_SHARED_CREDENTIALS_FILE: '/nonexistent', AWS_REGION: 'eu-central-1' }

const source =
  'source: { type: http, request: { url: "https://api.test" }, auth: { type: bearer, token: "${env:TOKEN}" } }\n'
const sink = (more: string) => `${source}sink: { type: s3, bucket: audit, ${more} }\n`

async function open(t: TestContext, pipelines: { readonly [name: string]: string }) {
  const files = Object.entries(pipelines).map(([name, yaml]) => [`pipelines/${name}.yaml`, yaml])
  const work = await openProject(t, Object.fromEntries(files))
  const describe = (...args: string[]) => work.sluice(['describe', 's3', ...args], { env: ENV })
  return {
    work,
    describe,
    policy: async (...args: string[]): Promise<Policy> => {
      const { code, stdout, stderr } = await describe(...args)
      assert.equal(code, 0, stderr)
      const policy: Policy = JSON.parse(stdout)
      checkShape(policy)
      return policy
    },
  }
}

function statementOf({ Statement }: Policy, sid: string) {
  const found = Statement.find(({ Sid }) => Sid === sid)
  assert.ok(found, `no ${sid}`)
  return found
}

test('prints the rights below the fixed part of each key, and needs no secret of the source', async (t) => {
  const { policy } = await open(t, {
    p: `${source}sinks:
  siem: { type: s3, bucket: audit, key: 'all/dt={record.time:yyyy-MM-dd}' }
  lake: { type: s3, bucket: lake, key: '{record.kind}/x' }
  disk: { type: file, path: out }
rejects: { type: s3, bucket: audit, key: '{pipeline}-bad' }
`,
  })
  const all = await policy('--iam', 'p')
  assert.deepEqual(statementOf(all, 'LookUp').Resource, [
    'arn:aws:s3:::audit/all/dt=*',
    'arn:aws:s3:::lake/*',
    'arn:aws:s3:::audit/p-bad/*',
  ])
  assert.ok(statementOf(all, 'Write').Resource?.includes('arn:aws:s3:::audit/all/sluice-check-*'))
  assert.deepEqual(statementOf(all, 'List').Condition, {
    StringLike: { 's3:prefix': ['all/dt=*', 'p-bad', 'p-bad/*'] },
  })
  // Its keys begin with a value of the record, so the whole bucket is listed.
  assert.deepEqual(
    [statementOf(all, 'List2').Resource, statementOf(all, 'List2').Condition],
    [['arn:aws:s3:::lake'], undefined],
  )
  const least = await policy('--iam', 'p', '--for', 'write')
  assert.deepEqual(
    least.Statement.flatMap(({ Action }) => Action),
    ['s3:PutObject', 's3:AbortMultipartUpload'],
  )
})

test('all shipped pipelines have a policy', async (t) => {
  const work = await openProject(t, {})
  const names = listShipped().map((name) => `${REPOSITORY}/pipelines/${name}.yaml`)
  const { code, stdout, stderr } = await work.sluice(['describe', 's3', '--iam', ...names], {
    env: { ...ENV, SLUICE_BUCKET: 'audit' },
  })
  assert.equal(code, 0, stderr)
  const policy: Policy = JSON.parse(stdout)
  checkShape(policy)
})

test('options of a sink add their rights, and wildcards in keys stand for themselves', async (t) => {
  const { policy } = await open(t, {
    p: sink(`key: 'a*?$/x', tags: { a: b }, acl: private, serverSideEncryption: 'aws:kms', kmsKeyId: '${KEY}'`),
    alias: sink('key: x, serverSideEncryption: "aws:kms", kmsKeyId: alias/audit'),
    id: sink('key: x, serverSideEncryption: "aws:kms:dsse", kmsKeyId: 1234-abcd'),
    china: sink('key: x, region: cn-north-1'),
    access: sink('key: x').replace('audit', 'arn:aws:s3:eu-central-1:111122223333:accesspoint/writer'),
  })
  const write = statementOf(await policy('--iam', 'p'), 'Write')
  assert.deepEqual(write.Action, ['s3:PutObject', 's3:PutObjectAcl', 's3:PutObjectTagging'])
  assert.deepEqual(write.Resource, ['arn:aws:s3:::audit/a${*}${?}${$}/x/*'])
  const encrypt = statementOf(await policy('--iam', 'p'), 'Encrypt')
  assert.deepEqual([encrypt.Action, encrypt.Resource], [['kms:GenerateDataKey', 'kms:Decrypt'], [KEY]])
  const alias = statementOf(await policy('--iam', 'alias'), 'Encrypt')
  assert.deepEqual(alias.Resource, ['arn:aws:kms:eu-central-1:*:key/*'])
  assert.deepEqual(alias.Condition, { 'ForAnyValue:StringEquals': { 'kms:ResourceAliases': 'alias/audit' } })
  assert.deepEqual(statementOf(await policy('--iam', 'id'), 'Encrypt').Resource, [
    'arn:aws:kms:eu-central-1:*:key/1234-abcd',
  ])
  assert.deepEqual(statementOf(await policy('--iam', 'china'), 'Write').Resource, ['arn:aws-cn:s3:::audit/x/*'])
  assert.deepEqual(statementOf(await policy('--iam', 'access'), 'Write').Resource, [
    'arn:aws:s3:eu-central-1:111122223333:accesspoint/writer/object/x/*',
  ])
  const bucketKey = statementOf(await policy('--iam', 'china', '--kms-key', KEY), 'Encrypt')
  assert.deepEqual(bucketKey.Resource, [KEY])
})

test('a source and a backfill add the rights to read', async (t) => {
  const { policy } = await open(t, {
    p: "source: { type: s3, path: ['s3://logs/in/*.gz', 's3://logs/one.json'] }\nsink: { type: file, path: out }\n",
    version: "source: { type: s3, path: 's3://logs/one.json', versionId: v1 }\nsink: { type: file, path: out }\n",
    q: sink('key: x'),
  })
  const own = await policy('--iam', 'p')
  assert.deepEqual(own.Statement, [
    {
      Sid: 'ReadInput',
      Effect: 'Allow',
      Action: ['s3:GetObject', 's3:GetObjectVersion'],
      Resource: ['arn:aws:s3:::logs/in/*', 'arn:aws:s3:::logs/one.json', 'arn:aws:s3:::logs/one.json/*'],
    },
    {
      Sid: 'ListInput',
      Effect: 'Allow',
      Action: ['s3:ListBucket'],
      Resource: ['arn:aws:s3:::logs'],
      Condition: { StringLike: { 's3:prefix': ['in/*', 'one.json', 'one.json/*'] } },
    },
  ])
  const [version] = (await policy('--iam', 'version')).Statement
  assert.deepEqual([version?.Action, version?.Resource], [['s3:GetObjectVersion'], ['arn:aws:s3:::logs/one.json']])
  const backfill = await policy('--iam', 'q', '--backfill', 's3://archive/2026/', '--for', 'worker')
  assert.deepEqual(statementOf(backfill, 'ReadInput').Resource, ['arn:aws:s3:::archive/2026/*'])
  assert.ok(backfill.Statement.every(({ Sid }) => Sid !== 'ListInput' && Sid !== 'LookUp'))
})

test('a role gets a policy of its own, and a trust policy; the identity may assume it', async (t) => {
  const { work, describe } = await open(t, {
    p: sink(`key: x, assumeRole: { arn: '${ROLE}', externalId: sluice }`),
    q: sink('key: y'),
    r: sink(`key: x, assumeRole: { arn: '${ROLE}', externalId: '\${env:EXTERNAL}' }`),
  })
  const { stdout, stderr } = await describe('--iam', 'p')
  const [own, role]: Policy[] = stdout.split(/^(?=\{)/m).map((text) => JSON.parse(text))
  assert.ok(own && role)
  for (const policy of [own, role]) checkShape(policy)
  assert.deepEqual(own.Statement, [
    { Sid: 'AssumeRole', Effect: 'Allow', Action: ['sts:AssumeRole'], Resource: [ROLE] },
  ])
  assert.deepEqual(statementOf(role, 'Write').Resource, ['arn:aws:s3:::audit/x/*'])
  assert.match(stderr, new RegExp(`^--iam of the identity that runs Sluice:\n--iam of the role ${ROLE}:$`, 'm'))
  const json: { of: string; document: Policy }[] = JSON.parse((await describe('--iam', 'p', '--json')).stdout)
  assert.deepEqual(
    json.map(({ document }) => document),
    [own, role],
  )

  const who = 'arn:aws:iam::444455556666:role/sluice'
  const trust: Policy = JSON.parse((await describe('--trust-policy', 'p', '--principal', who)).stdout)
  checkShape(trust)
  assert.deepEqual(trust.Statement[0]?.Principal, { AWS: [who] })
  assert.deepEqual(trust.Statement[0]?.Condition, { StringEquals: { 'sts:ExternalId': 'sluice' } })
  const hidden = await work.sluice(['describe', 's3', '--trust-policy', 'r', '--principal', who], {
    env: { ...ENV, EXTERNAL: 'canary-external-id' },
  })
  assert.doesNotMatch(hidden.stdout, /canary/)
  assert.match(hidden.stderr, /\*\*\* hides a value that may be secret/)
  const none = await describe('--trust-policy', 'q', '--principal', who)
  assert.match(none.stderr, /no s3 component of these pipelines assumes a role/)
})

test('a bucket policy grants the same to the principal, and refuses plain HTTP', async (t) => {
  const { describe, policy } = await open(t, { p: sink('key: x'), q: sink(`key: y, assumeRole: { arn: '${ROLE}' }`) })
  const missing = await describe('--bucket-policy', 'p')
  assert.equal(missing.code, 2)
  assert.match(missing.stderr, /nothing says who uses bucket audit\n {2}give --principal/)
  const bucket = await policy('--bucket-policy', 'p', '--principal', ROLE)
  const iam = await policy('--iam', 'p')
  const allowed = bucket.Statement.filter(({ Effect }) => Effect === 'Allow')
  assert.deepEqual(
    allowed.map(({ Principal, ...rest }) => (assert.deepEqual(Principal, { AWS: [ROLE] }), rest)),
    iam.Statement,
  )
  assert.deepEqual(statementOf(bucket, 'DenyPlainHttp').Condition, { Bool: { 'aws:SecureTransport': 'false' } })
  assert.deepEqual(statementOf(await policy('--bucket-policy', 'q'), 'Write').Principal, { AWS: [ROLE] })
})

test('lifecycle rules are for the folders of the sinks', async (t) => {
  const { describe } = await open(t, { p: sink('key: "a/{record.x}"'), q: sink('key: a/b') })
  const { stdout, stderr } = await describe('--lifecycle')
  assert.deepEqual(JSON.parse(stdout), {
    Rules: [
      {
        ID: 'sluice-unfinished-uploads',
        Status: 'Enabled',
        Filter: { Prefix: 'a/' },
        AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 },
      },
    ],
  })
  assert.match(stderr, /AWS replaces what the bucket has/)
})

const mistakes: readonly [title: string, args: readonly string[], code: number, message: RegExp][] = [
  [
    'a variable of the bucket that is not set',
    ['--iam', 'unset'],
    2,
    /p.*unset\.yaml:\d+:\d+ .*BUCKET is not set[^]*a bucket, key or role of unset is not known\n {2}set the variable/,
  ],
  ['a mistake in the pipeline', ['--iam', 'wrong'], 2, /bukket[^]*error in wrong/],
  ['a pipeline without S3', ['--iam', 'local'], 2, /local: no s3 source, and no s3 sink/],
  ['a directory bucket', ['--iam', 'express'], 2, /x--euc1-az1--x-s3 is a directory bucket/],
  ['a pipeline without --iam', ['local'], 2, /describe s3 takes no pipeline\n {2}sluice describe s3 --iam local/],
  ['an option without a document', ['--kms-key', KEY], 2, /--kms-key has no effect without a document/],
  ['two documents', ['--iam', '--lifecycle', 'p'], 2, /--iam and --lifecycle are different documents/],
  ['a key that is no ARN', ['--iam', 'p', '--kms-key', 'alias/x'], 2, /--kms-key alias\/x is not the ARN of a KMS key/],
  ['a use that needs nothing', ['--iam', 'reads', '--for', 'verify'], 2, /reads: nothing is needed for --for verify/],
  ['a pipeline that does not exist', ['--iam', 'nope'], 2, /there is no pipeline "nope"/],
  ['a backfill of a file', ['--iam', 'p', '--backfill', 'x.gz', '--backfill', 's3://a/'], 2, /"x\.gz" is a file/],
]

test('mistakes are named, with the way out', async (t) => {
  const { describe } = await open(t, {
    p: sink('key: x'),
    unset: sink('key: x').replace('audit', '"${env:BUCKET}"'),
    wrong: sink('bukket: x'),
    local: `${source}sink: { type: file, path: out }\n`,
    express: sink('key: x').replace('audit', 'x--euc1-az1--x-s3'),
    reads: "source: { type: s3, path: 's3://logs/' }\nsink: { type: file, path: out }\n",
  })
  for (const [title, args, code, message] of mistakes) {
    const result = await describe(...args)
    assert.match(result.stderr, message, title)
    assert.deepEqual([result.code, result.stdout], [code, ''], title)
  }
})
