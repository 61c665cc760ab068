import assert from 'node:assert/strict'
import { appendFile } from 'node:fs/promises'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { startS3Server } from '../servers/s3.ts'
import type { S3Server } from '../servers/s3.ts'
import { openWorkspace } from '../support/command.ts'
import type { Workspace } from '../support/command.ts'
import { until } from '../support/until.ts'

type Keys = Pick<S3Server, 'accessKeyId' | 'secretAccessKey'>

void test('a key in a profile is read again when the store refuses it', async (t) => {
  const { server, workspace, run } = await follow(t, '')
  await appendFile(workspace.path('in.ndjson'), '{"id":1}\n')
  await until(() => server.objects('audit').size === 1, run)

  const keys = server.addKey()
  await writeProfile(workspace, keys)
  server.removeKey(server.accessKeyId)
  await appendFile(workspace.path('in.ndjson'), '{"id":2}\n')
  await until(() => server.objects('audit').size === 2, run)

  run.kill('SIGTERM')
  const { stderr } = await run.ended
  assert.ok(!stderr.includes(keys.secretAccessKey))
})

void test('a role is assumed with the new key when its session has ended', async (t) => {
  const role = { arn: 'arn:aws:iam::111122223333:role/sluice', sessionSeconds: 1 }
  const { server, workspace, run } = await follow(t, `assumeRole: { arn: '${role.arn}' }`, role)
  await appendFile(workspace.path('in.ndjson'), '{"id":1}\n')
  await until(() => server.objects('audit').size === 1, run)

  await writeProfile(workspace, server.addKey())
  server.removeKey(server.accessKeyId)
  await appendFile(workspace.path('in.ndjson'), '{"id":2}\n')
  await until(() => server.objects('audit').size === 2, run)

  run.kill('SIGTERM')
  await run.ended
})

async function follow(t: TestContext, more: string, role?: { readonly arn: string; readonly sessionSeconds: number }) {
  const server = await startS3Server({ buckets: ['audit'], ...(role && { role }) })
  t.after(() => server.close())
  const workspace = await openWorkspace(t)
  await workspace.write('in.ndjson', '')
  await workspace.write(
    'pipelines/p.yaml',
    `source: { type: file, path: in.ndjson }
sink:
  type: s3
  bucket: audit
  key: all
  endpoint: '${server.endpoint}'
  region: ${server.region}
  forcePathStyle: true
  roll: { maxAge: 50ms }
  ${more}
`,
  )
  await writeProfile(workspace, server)
  const run = workspace.start(['run', 'p', '--follow'], {
    env: {
      AWS_SHARED_CREDENTIALS_FILE: workspace.path('credentials'),
      AWS_CONFIG_FILE: '/nonexistent',
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_ENDPOINT_URL_STS: server.endpoint,
      AWS_ACCESS_KEY_ID: '',
      AWS_SECRET_ACCESS_KEY: '',
    },
  })
  return { server, workspace, run }
}

async function writeProfile(workspace: Workspace, { accessKeyId, secretAccessKey }: Keys): Promise<void> {
  const lines = ['[default]', `aws_access_key_id = ${accessKeyId}`, `aws_secret_access_key = ${secretAccessKey}`, '']
  await workspace.write('credentials', lines.join('\n'))
}
