import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'

/** Has a server listen on a free port of the loopback address. Returns the port. */
export async function listen(server: Server, host = '127.0.0.1'): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a TCP server that listens has such an address
  const { port } = server.address() as AddressInfo
  return port
}

/** A port of the loopback address that was free a moment ago, for a process that is told its port. */
export async function freePort(): Promise<number> {
  const server = createServer()
  const port = await listen(server)
  await new Promise((done) => server.close(done))
  return port
}
