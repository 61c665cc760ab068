import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { hasBearer, isSameSecret } from '../observe/serving.ts'

/** Who may use the server, and by which names. */
interface AccessOptions {
  /** Names and addresses by which the page may be reached, without a port: `127.0.0.1`, `[::1]`, `sluice.example`. */
  readonly hosts: readonly string[]
  /**
   * Further names, as a browser shows them: `sluice.example`, `sluice.example:9000`. Where there is no port,
   * that of the server and that of the scheme are meant. There may be a proxy that encrypts.
   */
  readonly names: readonly string[]
  readonly port: number
  readonly isTls: boolean
  /** For scripts, which send it as a bearer token; undefined: only the page has access. */
  readonly token: string | undefined
}

/** Why a request is refused: a status, and the reason for people. */
export interface Refusal {
  readonly status: 401 | 403 | 421
  readonly message: string
}

/**
 * Decides who may use the server. The address that is printed holds a token for one use; whoever brings it
 * gets a cookie for a session that lives as long as the process. So no token stays in an address, in the
 * history of a browser or in a `Referer`.
 */
export class Access {
  readonly #origins: ReadonlySet<string>
  readonly #hosts: ReadonlySet<string>
  readonly #cookie: string
  readonly #isTls: boolean
  readonly #session = secret()
  readonly #token: string | undefined
  #once: string | undefined = secret()

  constructor({ hosts, names: written, port, isTls, token }: AccessOptions) {
    const scheme = isTls ? 'https' : 'http'
    const names = hosts.flatMap((host) =>
      isDefaultPort(port, isTls) ? [host, `${host}:${port}`] : [`${host}:${port}`],
    )
    const others = written.map((name) => name.toLowerCase())
    const reached = others.flatMap((name) => (HAS_PORT.test(name) ? [name] : [name, `${name}:${port}`]))
    this.#hosts = new Set([...names, ...reached])
    this.#origins = new Set([
      ...names.map((name) => `${scheme}://${name}`),
      ...reached.flatMap((name) => (isTls ? [`https://${name}`] : [`http://${name}`, `https://${name}`])),
    ])
    this.#isTls = isTls
    this.#token = token
    // Cookies are shared by all ports of a host: two servers of one machine need two names.
    this.#cookie = `sluice_${port}`
  }

  /** The token of the address that is printed. */
  get once(): string {
    return this.#once ?? ''
  }

  /**
   * Takes the token of the printed address.
   * @returns the cookie to set; undefined if it is another token, or was used before
   */
  enter(token: string): string | undefined {
    if (this.#once === undefined || !isSameSecret(token, this.#once)) return undefined
    this.#once = undefined
    return `${this.#cookie}=${this.#session}; Path=/; HttpOnly; SameSite=Strict${this.#isTls ? '; Secure' : ''}`
  }

  /**
   * A request for another host is of a page whose name was made to resolve to this machine (DNS rebinding);
   * one of another origin comes from another site (cross-site request). Both are refused, even with a valid
   * session.
   */
  refuse(headers: IncomingHttpHeaders): Refusal | undefined {
    const { host, origin } = headers
    if (host === undefined || !this.#hosts.has(host.toLowerCase()))
      return { status: 421, message: 'this server does not answer for that host' }
    if (origin !== undefined && !this.#origins.has(origin.toLowerCase()))
      return { status: 403, message: 'requests of other origins are refused' }
    const site = headers['sec-fetch-site']
    if (site !== undefined && site !== 'same-origin' && site !== 'none')
      return { status: 403, message: 'requests of other sites are refused' }
    return undefined
  }

  /** The request is of the session, or has the token for scripts. */
  isAllowed(headers: IncomingHttpHeaders): boolean {
    const { cookie = '' } = headers
    const session = cookie
      .split(';')
      .map((one) => one.trim())
      .find((one) => one.startsWith(`${this.#cookie}=`))
    if (session !== undefined && isSameSecret(session.slice(this.#cookie.length + 1), this.#session)) return true
    return this.#token !== undefined && hasBearer(headers, this.#token)
  }
}

/** Of a name as a browser shows it. */
export const HAS_PORT = /:\d+$/

function secret(): string {
  return randomBytes(32).toString('base64url')
}

function isDefaultPort(port: number, isTls: boolean): boolean {
  return port === (isTls ? 443 : 80)
}
