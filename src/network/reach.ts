import { request as requestPlain } from 'node:http'
import { request as requestTls } from 'node:https'
import { connect } from 'node:net'
import { proxyFor } from './proxy.ts'

/**
 * Finds out whether a host is there, without credentials and within two seconds. `speaks`: by a HEAD
 * request, which any status below 500 answers; otherwise a connection is enough, and nothing is sent. Undefined
 * where that says nothing: behind a proxy, and with a certificate of an authority that is not known here.
 */
export async function reach(origin: string, { speaks }: { readonly speaks: boolean }): Promise<boolean | undefined> {
  const url = new URL(origin)
  if (proxyFor(url) !== undefined) return undefined
  return speaks ? speaksTo(url) : connectsTo(url)
}

/** Milliseconds. */
const LIMIT = 2000

function connectsTo({ hostname, port, protocol }: URL): Promise<boolean> {
  return new Promise((resolve) => {
    const host = hostname.replace(/^\[(.*)\]$/, '$1')
    const socket = connect({ host, port: Number(port || (protocol === 'https:' ? 443 : 80)) })
    const end = (isThere: boolean): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(isThere)
    }
    // Looking up a name counts, too.
    const timer = setTimeout(() => end(false), LIMIT).unref()
    socket.unref()
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
  })
}

function speaksTo(url: URL): Promise<boolean | undefined> {
  return new Promise((resolve) => {
    const send = url.protocol === 'https:' ? requestTls : requestPlain
    const request = send(url, { method: 'HEAD', agent: false, signal: AbortSignal.timeout(LIMIT) })
    request.once('socket', (socket) => socket.unref())
    request.once('response', (response) => {
      response.resume()
      resolve((response.statusCode ?? 500) < 500)
    })
    request.once('error', (error) => resolve(isOfCertificate(error) ? undefined : false))
    request.end()
  })
}

/** The source or sink may trust an authority of its own configuration. */
function isOfCertificate(error: Error): boolean {
  return 'code' in error && /CERT|SIGNATURE|ALTNAME/.test(String(error.code))
}
