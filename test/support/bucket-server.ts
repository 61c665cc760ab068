import type { TestContext } from 'node:test'
import { startS3Server } from '../servers/s3.ts'
import type { S3Server, S3ServerOptions } from '../servers/s3.ts'

/**
 * Starts a server with one S3 bucket. The environment of this process has its credentials, and no others
 * that the SDK could find.
 */
export async function startBucketServer(
  test: TestContext,
  bucket: string,
  options: S3ServerOptions = {},
): Promise<S3Server> {
  const server = await startS3Server({ buckets: [bucket], ...options })
  test.after(() => server.close())
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: server.accessKeyId,
    AWS_SECRET_ACCESS_KEY: server.secretAccessKey,
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: '/nonexistent',
    AWS_SHARED_CREDENTIALS_FILE: '/nonexistent',
    AWS_ENDPOINT_URL_STS: server.endpoint,
  })
  return server
}
