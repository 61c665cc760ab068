import assert from 'node:assert/strict'
import { once } from 'node:events'
import { cp } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, test } from 'node:test'
import webhook from '../../../examples/sinks/webhook.ts'
import { streamSinkContract } from 'sluice/testing'
import type { Receiver, StreamSinkFixture } from 'sluice/testing'
import { openWorkspace } from '../../support/command.ts'
import { REPOSITORY } from '../../support/paths.ts'
import { listen } from '../../support/listen.ts'

interface Collector extends Receiver {
  readonly url: string
  readonly authorizations: (string | undefined)[]
  /** Statuses of the next requests; then 204. */
  readonly statuses: number[]
  /** Requests wait for this. */
  until: Promise<void>
}

/** A collector on loopback that keeps the bodies of the requests that it has accepted. */
async function startCollector(): Promise<Collector & { close: () => Promise<void> }> {
  const bodies: Buffer[] = []
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    await collector.until
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(Buffer.from(chunk))
    const status = collector.statuses.shift() ?? 204
    collector.authorizations.push(request.headers.authorization)
    if (status < 300) bodies.push(Buffer.concat(chunks))
    response.writeHead(status).end()
  }
  const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()))
  const url = `http://127.0.0.1:${await listen(server)}/events`
  const collector = {
    url,
    config: { url, attempts: 2 },
    authorizations: [] as (string | undefined)[],
    statuses: [] as number[],
    until: Promise.resolve(),
    received: () => Buffer.concat(bodies),
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return collector
}

describe('the webhook sink keeps the contract', () => {
  const collectors: StreamSinkFixture<Collector> = {
    open: startCollector,
    stall: (collector) => {
      const resumed = new AbortController()
      collector.until = once(resumed.signal, 'abort').then(() => undefined)
      return Promise.resolve(() => Promise.resolve(resumed.abort()))
    },
    fail: (collector) => {
      collector.statuses.push(...Array<number>(1000).fill(403))
      return Promise.resolve()
    },
  }
  for (const { name, run } of streamSinkContract(webhook, collectors)) test(name, run)
})

test('a pipeline posts its records with the token, also when the collector is away for a moment', async (t) => {
  const collector = await startCollector()
  t.after(() => collector.close())
  collector.statuses.push(503)
  const workspace = await openWorkspace(t)
  await cp(`${REPOSITORY}/examples/sinks`, workspace.path('sinks'), { recursive: true })
  await workspace.write(
    'pipelines/p.yaml',
    `source: { type: file, path: in.ndjson }\nsink: { type: ../sinks/webhook.ts, url: '${collector.url}', token: '\${env:TOKEN}' }\n`,
  )
  await workspace.write('in.ndjson', '{"id":1}\n{"id":2}\n')
  const report = await workspace.report(['run', 'p'], { env: { TOKEN: 'abc-token' } })
  assert.equal(report.written, 2)
  assert.equal(String(await collector.received()), '{"id":1}\n{"id":2}\n')
  assert.deepEqual(collector.authorizations, ['Bearer abc-token', 'Bearer abc-token'])
  collector.statuses.push(401)
  const { code, stderr } = await workspace.sluice(['run', 'p'], { env: { TOKEN: 'abc-token' } })
  assert.equal(code, 4)
  assert.match(stderr, /SINK_REFUSED: .* answered 401: check `url` and `token`/)
  assert.ok(!stderr.includes('abc-token'))
})
