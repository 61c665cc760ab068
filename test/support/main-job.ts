import { readFile } from 'node:fs/promises'
import type { TestContext } from 'node:test'
import { startJumpCloudServer, type JumpCloudOptions } from '../servers/jumpcloud.ts'
import { startS3Server } from '../servers/s3.ts'
import { openWorkspace, s3Environment } from './command.ts'
import { DAY } from '../../src/time.ts'

export const BUCKET = 'audit'

/** The repository's jumpcloud pipeline in a workspace, with a local API and a local store. */
export async function openMainJob(t: TestContext, options: JumpCloudOptions) {
  const end = Date.now() - DAY / 24
  const jumpcloud = await startJumpCloudServer({ start: end - DAY, end, ...options })
  t.after(() => jumpcloud.close())
  const s3 = await startS3Server({ buckets: [BUCKET] })
  t.after(() => s3.close())
  const workspace = await openWorkspace(t)
  for (const name of [
    'pipelines/jumpcloud.yaml',
    'schemas/jumpcloud-event.schema.json',
    'transforms/tag-privileged.ts',
  ]) {
    await workspace.write(name, await readFile(name))
  }
  const env = {
    ...s3Environment(s3),
    JUMPCLOUD_API_KEY: jumpcloud.apiKey,
    JUMPCLOUD_BASE_URL: jumpcloud.url,
    SLUICE_BUCKET: BUCKET,
    SLUICE_HMAC_KEY: 'a key for the tests',
    SLUICE_SINCE: '2d',
  }
  const [{ events }] = jumpcloud.organizations
  return { jumpcloud, s3, workspace, env, events }
}
