import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { BlockList, isIP } from 'node:net'
import type { Socket } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { SluiceError, systemCode } from '../errors.ts'
import { isTransientStatus } from './http-status.ts'

/** The proxy did not open a connection. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError'
  /** `ECONNRESET` makes the AWS SDK repeat its request. Undefined if another attempt fails too. */
  readonly code: 'ECONNRESET' | undefined

  constructor(message: string, { transient, cause }: { readonly transient: boolean; readonly cause?: unknown }) {
    super(message, { cause })
    this.code = transient ? 'ECONNRESET' : undefined
  }

  get transient(): boolean {
    return this.code !== undefined
  }
}

/**
 * The proxy that the environment sets for a URL: HTTPS_PROXY or HTTP_PROXY, else ALL_PROXY, unless
 * NO_PROXY has its host. A name in lower case takes precedence.
 * @throws SluiceError CONFIG_INVALID if a variable is not the URL of a proxy.
 */
export function proxyFor(url: URL): URL | undefined {
  const specific = url.protocol === 'https:' ? 'https_proxy' : 'http_proxy'
  const proxy = proxyIn(specific) ?? proxyIn('all_proxy')
  return proxy === undefined || isExcluded(url) ? undefined : proxy
}

/** Checks all variables that set a proxy. @throws SluiceError CONFIG_INVALID */
export function checkProxyVariables(): void {
  for (const name of ['https_proxy', 'http_proxy', 'all_proxy']) proxyIn(name)
}

function valueOf(name: string): { readonly name: string; readonly text: string } | undefined {
  const found = [name, name.toUpperCase()].find((candidate) => (process.env[candidate] ?? '').trim() !== '')
  return found === undefined ? undefined : { name: found, text: (process.env[found] ?? '').trim() }
}

function proxyIn(variable: string): URL | undefined {
  const found = valueOf(variable)
  if (found === undefined) return undefined
  // As in curl, a proxy without a scheme is http.
  const text = /^[a-z][a-z\d+.-]*:\/\//i.test(found.text) ? found.text : `http://${found.text}`
  const url = URL.canParse(text) ? new URL(text) : undefined
  const problem = url === undefined ? 'it is not the URL of a proxy' : problemOf(url)
  if (url !== undefined && problem === undefined) return url
  // The value can contain the proxy's password, so it is left out.
  throw new SluiceError('CONFIG_INVALID', `the environment variable ${found.name} cannot be used: ${problem}`, {
    hint: 'write http://proxy.example.com:3128, with the user and password percent-encoded: http://user:p%40ss@...',
  })
}

function problemOf({ protocol, hostname, username, password }: URL): string | undefined {
  if (protocol !== 'http:' && protocol !== 'https:')
    return `proxies with the scheme ${protocol}// are not supported, only http:// and https://`
  if (hostname === '') return 'it has no host'
  try {
    decodeURIComponent(username + password)
  } catch {
    return 'its user or password is not percent-encoded'
  }
  return undefined
}

/** Entries of NO_PROXY are hosts (with their subdomains), addresses, networks, or `*`. */
function isExcluded({ protocol, hostname, port }: URL): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase()
  const number = port === '' ? (protocol === 'https:' ? '443' : '80') : port
  return (valueOf('no_proxy')?.text ?? '').split(/[\s,]+/).some((entry) => {
    if (entry === '*') return true
    const [, name = '', only = number] = /^(\[[^\]]*\]|[^:]*|[^:]*:.*:[^:]*?)(?::(\d+))?$/.exec(entry) ?? []
    const excluded = name
      .replace(/^\[|\]$/g, '')
      .toLowerCase()
      .replace(/^\*?\./, '')
    if (excluded === '' || only !== number) return false
    return host === excluded || (isIP(host) === 0 && host.endsWith(`.${excluded}`)) || isInNetwork(host, excluded)
  })
}

function isInNetwork(host: string, network: string): boolean {
  const [, address = '', prefix = ''] = /^([\d.a-f:]+)\/(\d{1,3})$/.exec(network) ?? []
  const family = isIP(address)
  if (family === 0 || family !== isIP(host) || Number(prefix) > (family === 4 ? 32 : 128)) return false
  const list = new BlockList()
  const type = family === 4 ? 'ipv4' : 'ipv6'
  list.addSubnet(address, Number(prefix), type)
  return list.check(host, type)
}

export interface TunnelOptions {
  /** `host:port`. */
  readonly target: string
  /** Milliseconds until the proxy has opened the tunnel. */
  readonly timeout: number
  /** Gives up the attempt. */
  readonly signal: AbortSignal
  /** For a proxy with https. */
  readonly tls?: ConnectionOptions
}

/**
 * Opens a connection to a host through a proxy (CONNECT, RFC 9110, 9.3.6). One attempt: it ends
 * when the proxy answers, closes the connection, or is silent for too long.
 * @throws ProxyError
 */
export async function openTunnel(proxy: URL, { target, timeout, signal, tls = {} }: TunnelOptions): Promise<Socket> {
  const name = nameOf(proxy)
  return new Promise((resolve, reject) => {
    const secure = proxy.protocol === 'https:'
    const host = proxy.hostname.replace(/^\[|\]$/g, '')
    const request = (secure ? httpsRequest : httpRequest)({
      ...(secure && tls),
      ...(secure && isIP(host) === 0 && { servername: host }),
      host,
      port: proxy.port === '' ? (secure ? 443 : 80) : Number(proxy.port),
      method: 'CONNECT',
      path: target,
      headers: { host: target, ...authorizationOf(proxy) },
      agent: false,
      signal,
    })
    const fail = (what: string, transient: boolean, cause?: unknown) => {
      clearTimeout(timer)
      reject(new ProxyError(what, { transient, cause }))
      request.destroy()
    }
    const timer = setTimeout(
      () => fail(`the proxy ${name} did not open a connection to ${target} within ${timeout} ms`, true),
      timeout,
    )
    request.on('connect', ({ statusCode = 0 }, socket: Socket, head: Buffer) => {
      if (statusCode < 200 || statusCode > 299) {
        socket.on('error', () => {}).destroy()
        const hint = HINTS.get(statusCode) ?? ''
        fail(
          `the proxy ${name} refused the connection to ${target} with status ${statusCode}${hint}`,
          isTransientStatus(statusCode),
        )
        return
      }
      clearTimeout(timer)
      if (head.length > 0) socket.unshift(head)
      socket.setNoDelay(true).setKeepAlive(true, 60_000)
      resolve(socket)
    })
    // For example "socket hang up", "connect ECONNREFUSED 10.0.0.1:3128".
    request.on('error', (error) => {
      const closed = systemCode(error) === 'ECONNRESET'
      const what = closed ? 'closed the connection before it opened one' : 'did not open a connection'
      fail(`the proxy ${name} ${what} to ${target}${closed ? '' : `: ${error.message}`}`, true, error)
    })
    request.on('close', () => fail(`the proxy ${name} did not open a connection to ${target}`, true))
    request.end()
  })
}

const HINTS: ReadonlyMap<number, string> = new Map([
  [401, ': check the user and the password in its URL'],
  [403, ': it does not allow this host'],
  [404, ': is it the address of a proxy?'],
  [405, ': is it the address of a proxy?'],
  [407, ': check the user and the password in its URL'],
])

/** Names a proxy in messages, without its credentials. */
export function nameOf({ protocol, host }: URL): string {
  return `${protocol}//${host}`
}

function authorizationOf({ username, password }: URL): { 'proxy-authorization'?: string } {
  if (username === '' && password === '') return {}
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` }
}
