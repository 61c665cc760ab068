import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { listen } from '../../support/listen.ts'
import { fixture } from '../../support/paths.ts'
import { openSource, readSource } from './read-source.ts'

describe('an API that has never answered, and is asked wrongly, is refused at the first request:', () => {
  it('https to a port without TLS', async (t) => {
    const port = await serve(t, createServer())
    await refuses(`https://127.0.0.1:${port}`, new RegExp(`it does not speak TLS: write http://127.0.0.1:${port}$`))
  })

  it('http to a port with TLS', async (t) => {
    const port = await serve(t, await tlsServer())
    await refuses(`http://127.0.0.1:${port}`, new RegExp(`it speaks TLS: write https://127.0.0.1:${port}$`))
  })

  it('a certificate that nobody vouches for', async (t) => {
    const port = await serve(t, await tlsServer())
    await refuses(
      `https://localhost:${port}`,
      /UNABLE_TO_VERIFY_LEAF_SIGNATURE: .*NODE_EXTRA_CA_CERTS .*or set `tls.ca`$/,
    )
  })

  it('a certificate that has expired', async (t) => {
    const port = await serve(t, await tlsServer('expired'))
    const tls = { ca: join(fixture('tls'), 'expired.pem') }
    await refuses(`https://127.0.0.1:${port}`, /CERT_\w+: its certificate (has expired|is not valid yet): .*clock/, {
      tls,
    })
  })

  it('a host that its certificate does not name', async (t) => {
    const port = await serve(t, await tlsServer(), '127.0.0.2')
    const tls = { ca: join(fixture('tls'), 'ca.pem') }
    await refuses(
      `https://127.0.0.2:${port}`,
      /not for this host, but for 127\.0\.0\.1, localhost, api\.test: correct the host name/,
      { tls },
    )
  })
})

async function refuses(origin: string, message: RegExp, more: object = {}): Promise<void> {
  const source = await openSource({
    type: 'http',
    request: { url: `${origin}/events` },
    retry: { attempts: 5 },
    ...more,
  })
  const { error } = await readSource(source)
  assert.equal(error?.code, 'SOURCE_REFUSED', error?.message)
  assert.match(error.message, message)
}

async function serve(t: TestContext, server: Server, host = '127.0.0.1'): Promise<number> {
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return listen(server, host)
}

async function tlsServer(certificate = 'server'): Promise<Server> {
  const [cert, key] = await Promise.all(
    [`${certificate}.pem`, `${certificate}-key.pem`].map((name) => readFile(join(fixture('tls'), name))),
  )
  return createTlsServer({ cert, key }, (_request, response) => response.end('[]'))
}
