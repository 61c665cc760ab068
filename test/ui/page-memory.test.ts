import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Page } from 'playwright-core'
import type { ApiLogLine, LiveEvents, PipelineRow, StatusSnapshot } from '../../src/ui/api.ts'
import { readPage } from '../../src/ui/page-files.ts'
import { openWatched } from '../cli/commands/watched-pipeline.ts'
import { listen } from '../support/listen.ts'
import { until } from '../support/until.ts'
import { openPage, withoutBrowser } from './browser.ts'
import { startUi } from './ui-process.ts'

/** Seconds of live data. */
const HOUR = 3600
/** After this many seconds the log is full. */
const WARM = 900

test('an hour of live data does not fill the memory of the page', { skip: withoutBrowser }, async (t) => {
  const player = await startPlayer(t, await record(t))
  const { page, errors } = await openPage(t, player)
  await page.goto(`${player.url.origin}/pipelines/p`)
  await page.getByRole('heading', { name: 'p', exact: true }).waitFor()
  await player.play(WARM)
  await page.getByText(`commit ${WARM - 1}`).waitFor()
  const before = await measure(page)
  await player.play(HOUR - WARM)
  await page.getByText(`commit ${HOUR - 1}`).waitFor()
  const after = await measure(page)
  const grown = after.bytes - before.bytes
  t.diagnostic(
    `heap ${before.bytes} bytes after ${WARM} s, ${after.bytes} after ${HOUR} s; nodes ${before.nodes}, ${after.nodes}`,
  )
  assert.ok(grown < 2_000_000, `${grown} bytes more`)
  assert.ok(after.nodes < 1.2 * before.nodes + 200, `${before.nodes} nodes before, ${after.nodes} after`)
  assert.deepEqual(errors, [])
})

/** What the API has said of a run. */
interface Recording {
  readonly answers: ReadonlyMap<string, string>
  readonly snapshot: StatusSnapshot
  readonly rows: readonly PipelineRow[]
}

async function record(t: TestContext): Promise<Recording> {
  const { workspace, start, stop } = await openWatched(t)
  const run = await start()
  const ui = await startUi(workspace)
  const cookie = await ui.enter()
  const ask = async (path: string) => (await ui.ask({ path: `/api/v1${path}`, headers: { cookie } })).text
  await until(async () => JSON.parse(await ask('/pipelines/p/series')).at.length > 2)
  const paths = ['/project', '/pipelines', '/pipelines/p', '/pipelines/p/series', '/pipelines/p/log']
  const answers = new Map<string, string>()
  for (const path of paths) answers.set(path, await ask(path))
  const live = await fetch(new URL('/api/v1/live?pipeline=p', ui.url), { headers: { cookie } })
  let snapshot: StatusSnapshot | undefined
  let text = ''
  for await (const part of live.body ?? []) {
    text += Buffer.from(part).toString()
    const [, data] = /^event: status\ndata: (.*)\n\n/m.exec(text) ?? []
    if (data === undefined) continue
    const message: LiveEvents['status'] = JSON.parse(data)
    ;({ snapshot } = message)
    break
  }
  await stop()
  await run.ended
  assert.ok(snapshot)
  return { answers, snapshot, rows: JSON.parse(answers.get('/pipelines') ?? '').pipelines }
}

/** Serves the page, and plays a run whose clock is faster than that of the machine. */
async function startPlayer(t: TestContext, { answers, snapshot, rows }: Recording) {
  const files = readPage()
  let live: ServerResponse | undefined
  const server = createServer((request, response) => {
    const { pathname, search } = new URL(request.url ?? '/', 'http://localhost')
    const file = files?.get(pathname) ?? (pathname.startsWith('/api/') ? undefined : files?.get('/index.html'))
    if (file) {
      response.setHeader('content-type', file.type).end(file.bytes)
      return
    }
    const path = pathname.slice('/api/v1'.length)
    const answer = answers.get(path)
    if (path === '/live') {
      if (search !== '') live = response
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    } else response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' }).end(answer)
  })
  const url = new URL(`http://127.0.0.1:${await listen(server)}`)
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const send = async <Name extends keyof LiveEvents>(name: Name, data: LiveEvents[Name]): Promise<void> => {
    if (live === undefined) throw new Error('the page does not listen')
    if (!live.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`)) await once(live, 'drain')
  }
  let second = 0
  return {
    url,
    enter: async () => 'none=needed',
    async play(seconds: number) {
      await until(() => live !== undefined)
      for (const end = second + seconds; second < end; second++) {
        await send('status', { pipeline: 'p', snapshot: later(snapshot, second) })
        await send('overview', {
          pipelines: rows.map((row) => ({ ...row, committedAt: snapshot.takenAt + second * 1000 })),
        })
        await send('log', { pipeline: 'p', lines: [lineOf(snapshot, second)] })
        // The page draws as it does with a viewer.
        if (second % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
  }
}

function later(snapshot: StatusSnapshot, second: number): StatusSnapshot {
  const { read, ledger, commits } = snapshot
  const records = read.records + second * 1000
  return {
    ...snapshot,
    takenAt: snapshot.takenAt + second * 1000,
    read: { ...read, records, recordsPerSecond: 1000 + (second % 60) },
    ledger: { ...ledger, read: records, rejected: second },
    rejects: { SCHEMA_VIOLATION: second },
    commits: { ...commits, count: commits.count + second },
    notes: [{ at: snapshot.takenAt + second * 1000, message: `a request has failed, attempt ${second}` }],
  }
}

function lineOf({ run, takenAt }: StatusSnapshot, second: number): ApiLogLine {
  const at = takenAt + second * 1000
  return { run, number: 1000 + second, at, level: 'info', code: 'epoch.commit', message: `commit ${second}`, facts: {} }
}

async function measure(page: Page): Promise<{ bytes: number; nodes: number }> {
  const session = await page.context().newCDPSession(page)
  await session.send('HeapProfiler.collectGarbage')
  const { usedSize } = await session.send('Runtime.getHeapUsage')
  const { nodes } = await session.send('Memory.getDOMCounters')
  await session.detach()
  return { bytes: usedSize, nodes }
}
