import { setMaxListeners } from 'node:events'
import { Agent as HttpAgent } from 'node:http'
import type { ClientRequest } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { isIP } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { Agent } from 'agent-base'
import type { AgentConnectOpts } from 'agent-base'
import { checkProxyVariables, openTunnel, proxyFor } from '../network/proxy.ts'

interface Agents {
  readonly httpAgent: HttpAgent
  readonly httpsAgent: HttpsAgent
}

/**
 * Agents with keep-alive, through the proxy that HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY
 * set for each host.
 */
export function createAgents(): Agents {
  checkProxyVariables()
  const options = { keepAlive: true, maxSockets: 64 }
  const direct = { httpAgent: new HttpAgent(options), httpsAgent: new HttpsAgent(options) }
  const names = ['http_proxy', 'https_proxy', 'all_proxy']
  if (!names.some((name) => process.env[name] ?? process.env[name.toUpperCase()])) return direct
  const agent = new EnvironmentAgent(direct, options)
  return { httpAgent: agent, httpsAgent: agent }
}

class EnvironmentAgent extends Agent {
  readonly #direct: Agents
  readonly #closing = new AbortController()

  constructor(direct: Agents, options: { readonly keepAlive: boolean; readonly maxSockets: number }) {
    super(options)
    this.#direct = direct
    setMaxListeners(0, this.#closing.signal)
  }

  override async connect(request: ClientRequest, options: AgentConnectOpts): Promise<HttpAgent | Socket> {
    const { secureEndpoint, host = 'localhost', port } = options
    const proxy = proxyFor(new URL(`${secureEndpoint ? 'https:' : 'http:'}//${String(request.getHeader('host'))}`))
    if (proxy === undefined) return secureEndpoint ? this.#direct.httpsAgent : this.#direct.httpAgent
    const target = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`
    const socket = await openTunnel(proxy, { target, timeout: CONNECT_TIMEOUT, signal: this.#closing.signal })
    if (!secureEndpoint) return socket
    const { host: _host, port: _port, path: _path, ...tls } = options
    return connectTls({ ...tls, socket, ...(isIP(host) === 0 && { servername: host }) })
  }

  override destroy(): void {
    this.#closing.abort()
    for (const agent of [this.#direct.httpAgent, this.#direct.httpsAgent]) agent.destroy()
    super.destroy()
  }
}

/** Milliseconds until the proxy has opened a connection. */
const CONNECT_TIMEOUT = 10_000
