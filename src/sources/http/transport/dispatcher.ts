import { readFileSync } from 'node:fs'
import { rootCertificates } from 'node:tls'
import { EnvHttpProxyAgent } from 'undici'
import type { Dispatcher } from 'undici'
import { SluiceError } from '../../../errors.ts'
import type { HttpOptions, TlsOptions } from '../options.ts'

/**
 * Opens the connections of a source, with its certificates, through the proxy of the environment
 * (HTTPS_PROXY, HTTP_PROXY, NO_PROXY).
 */
export function createDispatcher({ timeout, tls }: Pick<HttpOptions, 'timeout' | 'tls'>): Dispatcher {
  const { connect, headers, body } = timeout
  const { ca, ...own } = certificatesOf(tls)
  const proxy = { timeout: connect, ...(ca === undefined ? {} : { ca }) }
  const origin = { ...proxy, ...own }
  try {
    return new EnvHttpProxyAgent({
      connect: origin,
      requestTls: origin,
      proxyTls: proxy,
      headersTimeout: headers,
      bodyTimeout: body,
    })
  } catch {
    // The cause can contain the proxy's password, so it is left out.
    throw new SluiceError('CONFIG_INVALID', 'HTTPS_PROXY or HTTP_PROXY is not the URL of a proxy', {
      hint: 'write http://proxy.example.com:3128',
    })
  }
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
