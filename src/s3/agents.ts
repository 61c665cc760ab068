import { Agent as HttpAgent } from 'node:http'
import type { ClientRequest } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { Agent } from 'agent-base'
import type { AgentConnectOpts } from 'agent-base'
import { HttpsProxyAgent } from 'https-proxy-agent'
import { getProxyForUrl } from 'proxy-from-env'

interface Agents {
  readonly httpAgent: HttpAgent
  readonly httpsAgent: HttpsAgent
}

/**
 * Agents with keep-alive, through the proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY set for each
 * host.
 */
export function createAgents(): Agents {
  const options = { keepAlive: true, maxSockets: 64 }
  const direct = { httpAgent: new HttpAgent(options), httpsAgent: new HttpsAgent(options) }
  const names = ['http_proxy', 'https_proxy', 'all_proxy']
  if (!names.some((name) => process.env[name] ?? process.env[name.toUpperCase()])) return direct
  const agent = new EnvironmentAgent(direct, options)
  return { httpAgent: agent, httpsAgent: agent }
}

class EnvironmentAgent extends Agent {
  readonly #direct: Agents
  readonly #options: { readonly keepAlive: boolean; readonly maxSockets: number }
  readonly #proxied = new Map<string, HttpsProxyAgent<string>>()

  constructor(direct: Agents, options: { readonly keepAlive: boolean; readonly maxSockets: number }) {
    super()
    this.#direct = direct
    this.#options = options
  }

  override connect(request: ClientRequest, { secureEndpoint }: AgentConnectOpts): Promise<HttpAgent> {
    const protocol = secureEndpoint ? 'https:' : 'http:'
    const proxy = getProxyForUrl(`${protocol}//${String(request.getHeader('host'))}`)
    if (proxy === '') return Promise.resolve(secureEndpoint ? this.#direct.httpsAgent : this.#direct.httpAgent)
    const known = this.#proxied.get(proxy) ?? new HttpsProxyAgent(proxy, this.#options)
    this.#proxied.set(proxy, known)
    return Promise.resolve(known)
  }

  override destroy(): void {
    for (const agent of [this.#direct.httpAgent, this.#direct.httpsAgent, ...this.#proxied.values()]) agent.destroy()
    super.destroy()
  }
}
