import { createServer } from 'node:http'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { listen } from '../support/listen.ts'

export interface ConnectProxy {
  /** With a name and a password. */
  readonly url: string
  /** What was asked for, `host:port` each. */
  readonly tunnels: readonly string[]
}

export const PROXY_PASSWORD = 'canary-proxy-password'

/**
 * A proxy that tunnels (CONNECT) every name to loopback: names that no resolver knows prove that
 * nothing goes past it.
 */
export async function startConnectProxy(context: TestContext): Promise<ConnectProxy> {
  const tunnels: string[] = []
  const sockets = new Set<Socket>()
  const expected = `Basic ${Buffer.from(`me:${PROXY_PASSWORD}`).toString('base64')}`
  const server = createServer((_request, response) => response.writeHead(405).end())
  server.on('connection', (socket) => sockets.add(socket))
  server.on('connect', ({ url = '', headers }, client: Socket, head) => {
    if (headers['proxy-authorization'] !== expected) {
      client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
      return
    }
    tunnels.push(url)
    const target = connect(Number(url.split(':').at(-1)), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      target.write(head)
      target.pipe(client).pipe(target)
    })
    sockets.add(target)
    target.on('error', () => client.destroy())
    client.on('error', () => target.destroy())
  })
  const port = await listen(server)
  context.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { url: `http://me:${PROXY_PASSWORD}@127.0.0.1:${port}`, tunnels }
}
