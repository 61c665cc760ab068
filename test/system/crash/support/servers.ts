/**
 * Runs an API and a store in a process of their own, which survives a kill of the Sluice process.
 * Over IPC this process reports the number of requests, and dumps the store on demand.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { startJumpCloudServer } from '../../../servers/jumpcloud.ts'
import { startS3Server } from '../../../servers/s3.ts'
import { DAY, HOUR } from '../../../../src/time.ts'
import { s3Environment } from '../../../support/command.ts'

export const BUCKET = 'audit'
/** The pipeline of the tests drops the events of this service. */
export const DROPPED = 'ldap'
/** The pipeline of the tests rejects the events of this service. */
export const REJECTED = 'systems'

export interface Servers {
  readonly environment: { readonly [name: string]: string }
  /** Number of requests that both servers have received. */
  readonly requests: number
  /** Resolves when both servers have received this many requests. */
  reached(requests: number): Promise<void>
  /**
   * Writes `objects`, `rejects`, `puts.json`, `expected` and `dropped` for the verifier; in `services`, the
   * ids of the events of each service.
   */
  dump(folder: string): Promise<void>
}

interface ServerOptions {
  readonly seed: number
  readonly events: number
}

type Message =
  | { readonly kind: 'ready'; readonly environment: { readonly [name: string]: string } }
  | { readonly kind: 'requests'; readonly requests: number }
  | { readonly kind: 'dumped' }

export async function startServers(t: TestContext, options: ServerOptions): Promise<Servers> {
  const child = fork(import.meta.filename, [JSON.stringify(options)])
  t.after(() => child.kill('SIGKILL'))
  const waitFor = async (kind: Message['kind']): Promise<Message> => {
    for (;;) {
      const [message]: Message[] = await once(child, 'message')
      if (message.kind === kind) return message
    }
  }
  const ready = await waitFor('ready')
  if (ready.kind !== 'ready') throw new Error('the servers did not start')
  let requests = 0
  const waiting = new Set<{ requests: number; resolve: () => void }>()
  child.on('message', (message: Message) => {
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
      const dumped = waitFor('dumped')
      child.send(folder)
      await dumped
    },
  }
}

async function serve({ seed, events }: ServerOptions): Promise<void> {
  const end = Date.now() - HOUR
  const jumpcloud = await startJumpCloudServer({ seed, events, start: end - DAY, end, repeats: 0.02 })
  const s3 = await startS3Server({ buckets: [BUCKET] })
  let known = 0
  setInterval(() => {
    const requests = jumpcloud.requests.length + s3.requests.length
    if (requests === known) return
    known = requests
    send({ kind: 'requests', requests })
  }, 2)
  process.on('disconnect', () => process.exit())
  process.on('message', (folder: string) => void dump(folder).then(() => send({ kind: 'dumped' })))

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
    const services = new Map<string, string[]>()
    for (let index = 0; index < all.count; index++) {
      const service = all.service(index)
      services.set(service, [...(services.get(service) ?? []), all.id(index)])
    }
    await mkdir(join(folder, 'services'), { recursive: true })
    for (const [service, ids] of services) await writeFile(join(folder, 'services', service), ids.join('\n'))
    await mkdir(join(folder, 'rejects'), { recursive: true })
    await writeFile(join(folder, 'puts.json'), JSON.stringify(puts))
    await writeFile(join(folder, 'expected'), [...jumpcloud.allIds(id)].join('\n'))
    await writeFile(join(folder, 'dropped'), dropped.map((index) => all.id(index)).join('\n'))
  }

  const environment = {
    ...s3Environment(s3),
    JUMPCLOUD_API_KEY: jumpcloud.apiKey,
    JUMPCLOUD_BASE_URL: jumpcloud.url,
  }
  send({ kind: 'ready', environment })
}

function send(message: Message): void {
  process.send?.(message)
}

if (process.argv[1] === import.meta.filename && process.send) {
  const options: ServerOptions = JSON.parse(process.argv[2])
  await serve(options)
}
