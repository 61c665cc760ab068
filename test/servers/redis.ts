import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { createConnection, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { listen } from '../support/listen.ts'
import { createFolder } from '../support/temporary-folder.ts'

/** A reason to skip a test, for `test(name, { skip: NO_REDIS }, …)`; false where `redis-server` is installed. */
export const NO_REDIS: string | false =
  spawnSync('redis-server', ['--version']).status === 0
    ? false
    : 'redis-server is not installed: apt-get install redis-server'

if (NO_REDIS !== false) process.stderr.write(`tests of the queue are skipped: ${NO_REDIS}\n`)

export interface RedisServer {
  readonly url: string
  readonly port: number
  readonly folder: string
  /** Looks into it, and configures it. */
  readonly admin: Redis
  /** Like `kill -9`. Its file of appended commands stays. */
  kill(): Promise<void>
  /** Starts it again, at the same port. */
  start(): Promise<void>
  close(): Promise<void>
}

/**
 * A real Redis on a free port, which appends each write to a file. It takes arguments of `redis-server`:
 * `['--requirepass', 'secret']`.
 */
export async function startRedis(args: readonly string[] = [], tls?: RedisTls): Promise<RedisServer> {
  const { path: folder, remove } = await createFolder()
  const port = await freePort()
  await mkdir(join(folder, 'data'))
  const common = ['--dir', join(folder, 'data'), '--appendonly', 'yes', '--appendfsync', 'everysec', '--save', '']
  const secure = tls && ['--port', '0', '--tls-port', String(port), '--tls-auth-clients', 'no', ...tlsFiles(tls)]
  const where = [
    '--bind',
    '127.0.0.1',
    '--unixsocket',
    join(folder, 'redis.sock'),
    ...(secure ?? ['--port', String(port)]),
  ]
  let child: ChildProcess | undefined
  const admin = new Redis({ path: join(folder, 'redis.sock'), lazyConnect: true, retryStrategy: () => 50 })
  admin.on('error', () => {})

  const server: RedisServer = {
    url: `${tls ? 'rediss' : 'redis'}://127.0.0.1:${port}`,
    port,
    folder,
    admin,
    async start() {
      child = spawn('redis-server', [...where, ...common, ...args], { stdio: 'ignore' })
      await accepts(port, child)
    },
    async kill() {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
    async close() {
      admin.disconnect()
      await server.kill()
      await remove()
    },
  }
  await server.start()
  return server
}

export interface RedisTls {
  readonly cert: string
  readonly key: string
  readonly ca: string
}

function tlsFiles({ cert, key, ca }: RedisTls): string[] {
  return ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', ca]
}

async function freePort(): Promise<number> {
  const server = createServer()
  const port = await listen(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function accepts(port: number, child: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (child.exitCode !== null) throw new Error(`redis-server ended with ${child.exitCode}`)
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = createConnection(port, '127.0.0.1')
        .once('connect', () => resolve(true))
        .once('error', () => resolve(false))
        .once('connect', () => socket.destroy())
    })
    if (isOpen) return
    await sleep(50)
  }
  throw new Error('redis-server does not listen')
}
