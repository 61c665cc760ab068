/**
 * An API and a store in a process of their own, for `startServers`: what happens to Sluice's process does not happen to them. Over IPC it tells
 * how many requests have come, and dumps what the store has.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { startJumpCloudServer } from '../servers/jumpcloud.ts'
import { startS3Server } from '../servers/s3.ts'

export const BUCKET = 'audit'
/** Events of this service are dropped by the pipeline of the tests, those of the other one rejected. */
export const DROPPED = 'ldap'
export const REJECTED = 'systems'

export interface Servers {
  readonly environment: { readonly [name: string]: string }
  /** Requests that have come to both servers. */
  readonly requests: number
  /** Resolves when so many requests have come. */
  reached(requests: number): Promise<void>
  /** Writes `objects`, `rejects`, `puts.json`, `expected` and `dropped` for the verifier. */
  dump(folder: string): Promise<void>
}

interface ServerOptions {
  readonly seed: number
  readonly events: number
}

type Told =
  | { readonly kind: 'ready'; readonly environment: { readonly [name: string]: string } }
  | { readonly kind: 'requests'; readonly requests: number }
  | { readonly kind: 'dumped' }

export async function startServers(t: TestContext, options: ServerOptions): Promise<Servers> {
  const child = fork(import.meta.filename, [JSON.stringify(options)])
  t.after(() => child.kill('SIGKILL'))
  const told = async (kind: Told['kind']): Promise<Told> => {
    for (;;) {
      const [message]: Told[] = await once(child, 'message')
      if (message.kind === kind) return message
    }
  }
  const ready = await told('ready')
  if (ready.kind !== 'ready') throw new Error('the servers did not start')
  let requests = 0
  const waiting = new Set<{ requests: number; resolve: () => void }>()
  child.on('message', (message: Told) => {
    if (message.kind !== 'requests') return
    requests = message.requests
    for (const one of waiting) {
      if (one.requests > requests) continue
      waiting.delete(one)
      one.resolve()
    }
  })
  return {
    environment: ready.environment,
    get requests() {
      return requests
    },
    reached: (wanted) => new Promise((resolve) => void waiting.add({ requests: wanted, resolve })),
    async dump(folder) {
      const dumped = told('dumped')
      child.send(folder)
      await dumped
    },
  }
}

async function serve({ seed, events }: ServerOptions): Promise<void> {
  const end = Date.now() - 3_600_000
  const jumpcloud = await startJumpCloudServer({ seed, events, start: end - 86_400_000, end, repeats: 0.02 })
  const s3 = await startS3Server({ buckets: [BUCKET] })
  let known = 0
  setInterval(() => {
    const requests = jumpcloud.requests.length + s3.requests.length
    if (requests === known) return
    known = requests
    tell({ kind: 'requests', requests })
  }, 2)
  process.on('disconnect', () => process.exit())
  process.on('message', (folder: string) => void dump(folder).then(() => tell({ kind: 'dumped' })))

  async function dump(folder: string): Promise<void> {
    const puts: { [key: string]: number } = {}
    for (const { key, body, puts: count } of s3.objects(BUCKET).values()) {
      puts[key] = count
      const path = join(folder, key)
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, body)
    }
    const [{ id, events: all }] = jumpcloud.organizations
    const dropped = Array.from({ length: all.count }, (_, index) => index).filter(
      (index) => all.service(index) === DROPPED,
    )
    await mkdir(join(folder, 'rejects'), { recursive: true })
    await writeFile(join(folder, 'puts.json'), JSON.stringify(puts))
    await writeFile(join(folder, 'expected'), [...jumpcloud.allIds(id)].join('\n'))
    await writeFile(join(folder, 'dropped'), dropped.map((index) => all.id(index)).join('\n'))
  }

  const environment = {
    AWS_ENDPOINT_URL_S3: s3.endpoint,
    AWS_REGION: s3.region,
    AWS_ACCESS_KEY_ID: s3.accessKeyId,
    AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
    JUMPCLOUD_API_KEY: jumpcloud.apiKey,
    JUMPCLOUD_BASE_URL: jumpcloud.url,
  }
  tell({ kind: 'ready', environment })
}

function tell(message: Told): void {
  process.send?.(message)
}

if (process.argv[1] === import.meta.filename && process.send) {
  const options: ServerOptions = JSON.parse(process.argv[2])
  await serve(options)
}
