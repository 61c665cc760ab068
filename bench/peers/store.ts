import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'

/** An S3 server in a process of its own, with the S3 bucket `bench`. */
export interface Store {
  /** Variables for the programs. */
  readonly env: { readonly [name: string]: string }
  readonly bytes: () => Promise<number>
  /** All objects, decompressed. */
  readonly contents: () => AsyncIterable<Readable>
  readonly close: () => Promise<void>
}

export async function startStore(folder: string): Promise<Store> {
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true'
  const args = ['build/test/servers/s3.js', '--bucket', BUCKET, '--folder', folder]
  const server = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(server, 'close')
  const [line] = await once(createInterface({ input: server.stdout }), 'line')
  const { endpoint, region, accessKeyId, secretAccessKey }: { [name: string]: string } = JSON.parse(String(line))
  const client = new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  })
  const objects = async () => (await client.send(new ListObjectsV2Command({ Bucket: BUCKET }))).Contents ?? []
  return {
    env: {
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
    },
    bytes: async () => (await objects()).reduce((sum, { Size: size = 0 }) => sum + size, 0),
    async *contents() {
      for (const { Key } of await objects()) {
        const { Body: body } = await client.send(new GetObjectCommand({ Bucket: BUCKET, Key }))
        if (body instanceof Readable) yield body.pipe(createGunzip())
      }
    },
    async close() {
      client.destroy()
      server.kill()
      await ended
    },
  }
}

const BUCKET = 'bench'
