import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeVersionNotice } from '../../src/cli/node-version.ts'
import { openWorkspace } from '../support/command.ts'

test('recommends a newer version on Node.js 20 only', () => {
  const notice = nodeVersionNotice('v20.19.0')
  assert.match(notice ?? '', /^note: this is Node\.js 20\.19\.0; 22 or 24 is recommended, and 20\.19 is the oldest/)
  assert.match(notice ?? '', /From January 2027 on, S3 needs Node\.js 22, because the AWS SDK requires it\.$/)
  for (const version of ['v22.0.0', 'v24.11.1', 'v26.1.0']) assert.equal(nodeVersionNotice(version), undefined)
})

test('check prints the notice once, and the AWS SDK prints no warning of its own', async (t) => {
  const workspace = await openWorkspace(t)
  const pipeline = `source: { type: file, path: in.ndjson }
sink: { type: s3, bucket: audit, region: eu-west-1, endpoint: 'http://127.0.0.1:9', forcePathStyle: true }
`
  await workspace.write('pipelines/a.yaml', pipeline)
  await workspace.write('pipelines/b.yaml', pipeline)
  const env = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' }
  const notice = nodeVersionNotice(process.version)
  for (const args of [['check'], ['check', 'a', '--connect']]) {
    const { stderr } = await workspace.sluice(args, { env })
    assert.equal(stderr.split('note: this is Node.js').length - 1, notice === undefined ? 0 : 1, stderr)
    assert.doesNotMatch(stderr, /Warning/)
  }
})
