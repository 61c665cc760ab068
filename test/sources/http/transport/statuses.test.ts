import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openSource, problemsOf, QUICK, readSource, startServer } from '../read-source.ts'

const TRANSIENT = [
  408, 420, 425, 429, 499, 500, 502, 503, 504, 507, 509, 520, 521, 522, 523, 524, 525, 526, 527, 529, 530, 555, 598,
  599,
]
const PERMANENT = [400, 401, 402, 403, 404, 405, 406, 409, 410, 411, 413, 414, 415, 421, 422, 451, 501, 505, 508, 511]

/** The attempts that a request gets, and the code of the error. */
async function outcomesOf(context: TestContext, statuses: readonly number[], retry: object = {}): Promise<string[]> {
  let status = 0
  const server = await startServer(context, (_request, response) => response.writeHead(status).end())
  const source = await openSource({
    type: 'http',
    request: { url: `${server.origin}/events` },
    ...QUICK,
    retry: { attempts: 2, maxDelay: '1ms', ...retry },
  })
  const outcomes: string[] = []
  for (status of statuses) {
    const before = server.requests.length
    const { error } = await readSource(source)
    assert.match(error?.message ?? '', new RegExp(`returned ${status}\\b`))
    outcomes.push(`${status} ${error?.code} ${server.requests.length - before}`)
  }
  return outcomes
}

test('temporary statuses of servers, gateways and content networks are retried', async (context) => {
  assert.deepEqual(
    await outcomesOf(context, TRANSIENT),
    TRANSIENT.map((status) => `${status} SOURCE_UNAVAILABLE 2`),
  )
})

test('statuses that a repetition does not change end the run at once', async (context) => {
  assert.deepEqual(
    await outcomesOf(context, PERMANENT),
    PERMANENT.map((status) => `${status} SOURCE_REFUSED 1`),
  )
})

test('retry.statuses changes which statuses are retried', async (context) => {
  const statuses = { 404: 'retry', 501: 'retry', 520: 'fail' }
  assert.deepEqual(await outcomesOf(context, [404, 501, 520, 521, 403], { statuses }), [
    '404 SOURCE_UNAVAILABLE 2',
    '501 SOURCE_UNAVAILABLE 2',
    '520 SOURCE_REFUSED 1',
    '521 SOURCE_UNAVAILABLE 2',
    '403 SOURCE_REFUSED 1',
  ])
})

/** What `check` reports for `http` and its preset. */
async function report(statuses: object): Promise<string[]> {
  const request = { url: 'https://api.example.com' }
  const sources = [
    { type: 'http', request },
    { type: 'jumpcloud', apiKey: 'key' },
  ]
  const all = await Promise.all(sources.map((source) => problemsOf({ ...source, retry: { statuses } })))
  return all.map(([problem]) => problem?.message ?? '')
}

test('reports keys of retry.statuses that are no status, and unknown words', async () => {
  for (const status of ['5xx', '200', '301', '600', '-1'])
    for (const message of await report({ [status]: 'retry' }))
      assert.match(message, new RegExp(`"${status}" is not the status of an error$`))
  for (const message of await report({ 404: 'again' }))
    assert.match(message, /must be one of retry, fail, but is "again"/)
})
