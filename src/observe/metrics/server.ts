import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { SluiceError } from '../../errors.ts'
import { hasBearer, listenReason } from '../serving.ts'
import { safeJson } from '../output.ts'
import type { Health } from './open-health.ts'
import type { Metrics } from './open-metrics.ts'

/** Where the metrics are served, and who gets them. */
export interface Access {
  readonly host: string
  readonly port: number
  /** As it was written, for messages. */
  readonly written: string
  /** What `/metrics` asks for, and the reasons of `/readyz`; undefined: nothing. */
  readonly token: string | undefined
}

interface Served extends Access {
  readonly metrics: Metrics
  readonly health: Health
}

export interface MetricsServer {
  /** With the port that was chosen, for port 0. */
  readonly url: string
  close(): void
}

/**
 * Serves `/metrics`, `/healthz` and `/readyz` until `close`. Never keeps the process alive.
 * @throws SluiceError USAGE if it cannot listen there
 */
export async function serveMetrics(served: Served): Promise<MetricsServer> {
  const server = createServer(LIMITS, (request, response) => {
    answer(served, request, response).catch(() => response.destroy())
  })
  server.maxConnections = CONNECTIONS
  const port = await listen(server, served)
  // A connection that breaks, or a file descriptor too few: the run continues.
  server.on('error', () => undefined)
  server.unref()
  return {
    url: `http://${served.host.includes(':') ? `[${served.host}]` : served.host}:${port}`,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** A scrape is small and quick. In bytes and milliseconds. */
const LIMITS = {
  maxHeaderSize: 16_384,
  headersTimeout: 5000,
  requestTimeout: 5000,
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 1000,
}
const CONNECTIONS = 64

function listen(server: Server, { host, port, written }: Access): Promise<number> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      reject(
        new SluiceError('USAGE', `--metrics ${written}: ${listenReason(error)}`, {
          cause: error,
          hint: 'give another address, for example 127.0.0.1:9464; port 0 takes any that is free',
        }),
      )
    }
    server.once('error', failed)
    server.listen({ host, port }, () => {
      server.off('error', failed)
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })
}

async function answer(served: Served, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method, url = '/' } = request
  const [path] = url.split('?')
  if (method !== 'GET' && method !== 'HEAD')
    return send(response, 405, 'only GET and HEAD\n', { allow: 'GET, HEAD', connection: 'close' })
  const isTrusted = served.token === undefined || hasBearer(request.headers, served.token)
  if (path === '/healthz') return send(response, 200, 'ok\n')
  if (path === '/readyz') return sendReadiness(served, response, isTrusted)
  if (path !== '/metrics') return send(response, 404, 'there are /metrics, /healthz and /readyz\n')
  if (!isTrusted) return send(response, 401, 'a token is needed\n', { 'www-authenticate': 'Bearer' })
  const text = await served.metrics.text()
  send(response, 200, text, { 'content-type': served.metrics.contentType })
}

/** Probes of Kubernetes send no token: they get the status, and not the reasons. */
function sendReadiness({ health }: Served, response: ServerResponse, isTrusted: boolean): void {
  const readiness = health.readiness()
  const { ready } = readiness
  const shown = isTrusted ? readiness : { ready }
  send(response, ready ? 200 : 503, `${safeJson(shown, 2)}\n`, { 'content-type': 'application/json' })
}

function send(
  response: ServerResponse,
  status: number,
  text: string,
  headers: { readonly [name: string]: string } = {},
): void {
  const body = Buffer.from(text)
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': body.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...headers,
  })
  // Node.js sends no body in the answer to HEAD.
  response.end(body)
}
