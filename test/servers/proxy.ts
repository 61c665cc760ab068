import { createServer } from 'node:http'
import { connect, createServer as createTcpServer } from 'node:net'
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

interface HostileProxy {
  readonly url: string
  /** How many connections were opened. */
  connections(): number
}

/** What a proxy does with a connection, or with the CONNECT request on it. */
export const proxyFaults: { readonly [name: string]: (socket: Socket) => unknown } = {
  'closes the connection at once': (socket) => socket.destroy(),
  'closes the connection on CONNECT': (socket) => socket.once('data', () => socket.end()),
  'resets the connection on CONNECT': (socket) => socket.once('data', () => socket.resetAndDestroy()),
  'answers something that is not HTTP': (socket) => socket.once('data', () => socket.end('SSH-2.0-x\r\n')),
  'opens the tunnel and closes it': (socket) =>
    socket.once('data', () => socket.end('HTTP/1.1 200 Connection Established\r\n\r\n')),
  'opens the tunnel and resets it': (socket) =>
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n', () => socket.resetAndDestroy())
    }),
  'is silent': silence,
  'drips its answer': (socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n')
      const timer = setInterval(() => socket.write('x-drip: 1\r\n'), 20)
      socket.on('close', () => clearInterval(timer))
    })
  },
}

/** Opens the tunnel, and sends nothing through it. */
export function silentTunnel(socket: Socket): unknown {
  return socket.once('data', () => socket.resume().write('HTTP/1.1 200 Connection Established\r\n\r\n'))
}

/** Takes connections, and sends nothing. */
export function silence(socket: Socket): unknown {
  return socket.resume()
}

/** Answers CONNECT with this status. */
export function answerConnect(status: number): (socket: Socket) => unknown {
  return (socket) => socket.once('data', () => socket.end(`HTTP/1.1 ${status} No\r\ncontent-length: 2\r\n\r\nno`))
}

/** A proxy with a fault. The URL has a password. */
export async function startHostileProxy(
  context: TestContext,
  handle: (socket: Socket) => unknown,
): Promise<HostileProxy> {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createTcpServer((socket) => {
    connections++
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    handle(socket)
  })
  const port = await listen(server)
  context.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { url: `http://me:${PROXY_PASSWORD}@127.0.0.1:${port}`, connections: () => connections }
}
