import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { openWorkspace } from '../../support/command.ts'
import { readIds } from '../../delivery/support.ts'
import { startServer } from '../../sources/http/read-source.ts'

const TENANTS = Array.from({ length: 200 }, (_, at) => `org-${String(at).padStart(3, '0')}`)
const [SLOW, REFUSED, LIMITED] = ['org-017', 'org-090', 'org-150']
const PAGES = 3
const KEY = 'canary-0123456789'

test('a slow, a refused and a rate-limited tenant do not affect 197 others', async (t) => {
  const done = new Set<string>()
  const held: (() => void)[] = []
  let isRefusing = true
  let limits = 3
  const server = await startServer(t, ({ url }, response) => {
    const org = url.searchParams.get('org') ?? ''
    const page = Number(url.searchParams.get('page'))
    if (org === REFUSED && isRefusing) return refuse(response, 403, {})
    if (org === LIMITED && limits-- > 0) return refuse(response, 429, { 'retry-after': '0' })
    const answer = (): void => {
      if (page === PAGES) done.add(org)
      const ids = page > PAGES ? [] : idsOf(org, page)
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(ids.map((id) => ({ id }))))
    }
    const others = TENANTS.length - (isRefusing ? 2 : 1)
    if (org !== SLOW || done.has(SLOW)) answer()
    else held.push(answer)
    // The slow tenant gets its response after all other tenants are done.
    if ([...done].filter((name) => name !== SLOW).length >= others) for (const release of held.splice(0)) release()
  })
  const workspace = await openWorkspace(t)
  await workspace.write(
    'pipelines/p.yaml',
    JSON.stringify({
      source: {
        type: 'http',
        request: { url: `${server.origin}/events`, query: { org: '{tenant.org}', from: '{window.start}' } },
        auth: { type: 'bearer', token: KEY },
        paginate: { type: 'page', into: { query: 'page' } },
        window: { since: '1h', overlap: '0s' },
        rate: { perSecond: 10_000, concurrency: 4 },
        retry: { attempts: 5, maxDelay: '10ms' },
        tenants: TENANTS.map((org) => ({ org })),
      },
      transforms: [{ type: 'dedup', key: ['id'] }],
      sink: { type: 'file', path: 'out', key: 'all', compression: 'none' },
    }),
  )

  async function assertWritten(orgs: readonly string[]): Promise<void> {
    const ids = await readIds(workspace.path('out'))
    const expected = orgs.flatMap((org) => [1, 2, 3].flatMap((page) => idsOf(org, page)))
    assert.equal(ids.length, expected.length)
    assert.deepEqual(new Set(ids), new Set(expected))
  }

  const first = await workspace.sluice(['run', 'p'])
  assert.equal(first.code, 3, first.stderr)
  const [, said = ''] = /SOURCE_REFUSED: (.*)/.exec(first.stderr) ?? []
  assert.deepEqual(said.match(/\borg-\d+/g), [REFUSED])
  assert.match(first.stderr, /a tenant failed; the others finish what is available tenant=org-090/)
  await assertWritten(TENANTS.filter((org) => org !== REFUSED))
  assert.equal(server.requests.filter(({ url }) => url.searchParams.get('org') === REFUSED).length, 1)

  isRefusing = false
  const second = await workspace.sluice(['run', 'p'])
  assert.equal(second.code, 0, second.stderr)
  await assertWritten(TENANTS)
  assert.ok(!(first.stderr + second.stderr).includes(KEY))
})

function idsOf(org: string, page: number): string[] {
  return [1, 2, 3, 4, 5].map((at) => `${org}/${page}/${at}`)
}

function refuse(response: ServerResponse, status: number, headers: { readonly [name: string]: string }): void {
  response.writeHead(status, headers).end()
}
