import { connect } from 'node:tls'
import { systemCode } from '../errors.ts'

/**
 * Why a request without a usable answer will fail again, and what to correct: a wrong scheme, or a
 * certificate. Undefined if it may be an outage. Opens a connection to find out whether a port that
 * was asked in plain HTTP speaks TLS.
 */
export async function connectionMistake(error: unknown, url: URL): Promise<string | undefined> {
  if (url.protocol === 'https:') {
    const certificate = certificateMistake(error)
    return certificate === undefined ? plainPort(error, url) : `${systemCode(error)}: ${certificate}`
  }
  return (await speaksTls(url)) ? `it speaks TLS: write https://${url.host}` : undefined
}

/** A certificate that is refused. For errors of Node.js and OpenSSL. */
export function certificateMistake(error: unknown): string | undefined {
  const code = systemCode(error) ?? ''
  if (UNTRUSTED.test(code)) {
    return 'its certificate has no trusted issuer: set NODE_EXTRA_CA_CERTS to the file of its certificate authority'
  }
  if (code === 'CERT_HAS_EXPIRED') return 'its certificate has expired: renew it, or correct the clock of this machine'
  if (code === 'CERT_NOT_YET_VALID') return 'its certificate is not valid yet: correct the clock of this machine'
  if (code !== 'ERR_TLS_CERT_ALTNAME_INVALID') return undefined
  const names = namesOf(error)
  return `its certificate is not for this host${names === undefined ? '' : `, but for ${names}`}: correct the host name`
}

const UNTRUSTED =
  /^(UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT(_LOCALLY)?)|SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT)$/

/** The names in a certificate, as Node.js attaches it to the error: `DNS:localhost, DNS:api.test`. */
function namesOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('cert' in error)) return undefined
  const { cert } = error
  if (typeof cert !== 'object' || cert === null || !('subjectaltname' in cert)) return undefined
  const names = String(cert.subjectaltname).replaceAll('DNS:', '').replaceAll('IP Address:', '')
  return names.length <= MAX_NAMES ? names : `${names.slice(0, MAX_NAMES)}…`
}

const MAX_NAMES = 100

/** What OpenSSL makes of an answer in plain HTTP: its texts, and the codes that Node.js 22 has. */
function plainPort(error: unknown, { host }: URL): string | undefined {
  const said = error instanceof Error ? `${systemCode(error)} ${error.message}` : ''
  return /wrong.version.number|packet.length.too.long|SSL.*http.request/i.test(said)
    ? `it does not speak TLS: write http://${host}`
    : undefined
}

/** True if a TLS server answers. Its certificate does not matter here, and nothing is sent to it. */
export async function speaksTls({ hostname, port }: Pick<URL, 'hostname' | 'port'>): Promise<boolean> {
  const host = hostname.replace(/^\[|\]$/g, '')
  const socket = connect({ host, port: Number(port || 80), rejectUnauthorized: false, timeout: HANDSHAKE_TIMEOUT })
  try {
    return await new Promise<boolean>((resolve) => {
      socket
        .once('secureConnect', () => resolve(true))
        .once('timeout', () => resolve(false))
        .once('error', () => resolve(false))
        .once('close', () => resolve(false))
    })
  } finally {
    socket.on('error', () => undefined).destroy()
  }
}

/** Milliseconds. */
const HANDSHAKE_TIMEOUT = 2000

/** A server with this host listens on all addresses of its machine. */
export function isEveryAddress(host: string): boolean {
  return /^(0\.0\.0\.0|::|\*|)$/.test(host)
}

/**
 * True if connections to the host stay on this machine, as all names below `localhost` do (RFC
 * 6761). `hostname` is written as in `URL`.
 */
export function isLoopback(hostname: string): boolean {
  return (
    /(^|\.)localhost$/.test(hostname) ||
    hostname === '[::1]' ||
    hostname === '::1' ||
    /^127\.\d+\.\d+\.\d+$/.test(hostname)
  )
}
