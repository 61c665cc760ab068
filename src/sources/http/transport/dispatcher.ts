import { setMaxListeners } from 'node:events'
import { readFileSync } from 'node:fs'
import { rootCertificates } from 'node:tls'
import { Agent, buildConnector, Pool } from 'undici'
import { SluiceError } from '../../../errors.ts'
import { checkProxyVariables, openTunnel, proxyFor } from '../../../network/proxy.ts'
import type { TunnelOptions } from '../../../network/proxy.ts'
import type { Exchange, ExchangeLayer } from '../../../network/exchange.ts'
import type { HttpOptions, TlsOptions } from '../options.ts'

/** The connections of a source. */
export interface Connections {
  readonly send: Exchange
  /** Closes the connections when the responses that are under way are complete, or by `close`. */
  retire(): Promise<void>
  /** Closes all connections at once, also those that are being opened through a proxy. */
  close(): Promise<void>
}

/**
 * Opens the connections of a source, with its certificates, through the proxy of the environment
 * (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY). Nothing is connected before the first request.
 */
export function openConnections(
  { timeout, tls }: Pick<HttpOptions, 'timeout' | 'tls'>,
  layer: ExchangeLayer = (send) => send,
): Connections {
  checkProxyVariables()
  const closing = new AbortController()
  setMaxListeners(0, closing.signal)
  const { ca, ...own } = certificatesOf(tls)
  const trust = ca === undefined ? {} : { ca }
  const connect = buildConnector({ timeout: timeout.connect, ...trust, ...own })
  const limits = { headersTimeout: timeout.headers, bodyTimeout: timeout.body }
  const dispatcher = new Agent({
    factory(origin) {
      const proxy = proxyFor(new URL(origin))
      const tunnel = { timeout: timeout.connect, signal: closing.signal, tls: trust }
      return new Pool(origin, {
        ...limits,
        connect: proxy === undefined ? connect : tunnelConnector(proxy, connect, tunnel),
      })
    },
  })
  return {
    send: layer((request) => dispatcher.request(request)),
    async retire() {
      // `close` may come before.
      await dispatcher.close().catch(() => {})
    },
    async close() {
      closing.abort()
      await dispatcher.destroy()
    },
  }
}

/**
 * Connects through a proxy. Undici's own agent reconnects without end if a proxy closes the
 * connection on CONNECT, since such an error looks to it like that of an idle connection.
 */
function tunnelConnector(
  proxy: URL,
  connect: buildConnector.connector,
  limits: Omit<TunnelOptions, 'target'>,
): buildConnector.connector {
  async function open(options: buildConnector.Options, callback: buildConnector.Callback): Promise<void> {
    const { protocol, hostname, port } = options
    const host = hostname.includes(':') ? `[${hostname}]` : hostname
    const target = `${host}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}`
    const opened = await openTunnel(proxy, { ...limits, target }).catch((error: Error) => error)
    if (opened instanceof Error) callback(opened, null)
    else if (protocol === 'https:') connect({ ...options, httpSocket: opened }, callback)
    else callback(null, opened)
  }

  return (options, callback) => void open(options, callback)
}

/** `ca` is trusted in addition to the root certificates of Node.js. */
function certificatesOf({ cert, key, passphrase, ca }: TlsOptions = {}) {
  return {
    ...(ca === undefined ? {} : { ca: [...rootCertificates, readFile(ca)] }),
    ...(cert === undefined ? {} : { cert: readFile(cert) }),
    ...(key === undefined ? {} : { key: readFile(key) }),
    ...(passphrase === undefined ? {} : { passphrase }),
  }
}

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    throw new SluiceError('FILE_NOT_FOUND', `${path} (tls) cannot be read`)
  }
}
