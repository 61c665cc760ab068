import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { listen } from './listen.ts'

/** Passes connections on to a server, which stays as it is while the relay is away. */
export interface Relay {
  readonly origin: string
  /** Breaks all connections, and refuses new ones. */
  cut(): Promise<void>
  restore(): Promise<void>
}

export async function startRelay(t: TestContext, target: string): Promise<Relay> {
  const { hostname, port: targetPort } = new URL(target)
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const other = connect(Number(targetPort), hostname)
    for (const socket of [client, other]) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        other.destroy()
      })
    }
    client.pipe(other).pipe(client)
  })
  const port = await listen(server)
  const cut = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve))
    for (const socket of sockets) socket.destroy()
    await closed
  }
  t.after(cut)
  return {
    origin: `http://127.0.0.1:${port}`,
    cut,
    restore: () => new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve())),
  }
}
