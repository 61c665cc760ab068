/*
 * Every failure ends the process of a run, whatever its source is waiting for. All processes are
 * real ones: a run in the process of the tests would end without proving that.
 */
import assert from 'node:assert/strict'
import { execFile, execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { appendFile, readdir, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Report } from '../../src/observe/report.ts'
import { openWorkspace } from '../support/command.ts'
import type { RunningCommand, Workspace } from '../support/command.ts'
import { listen } from '../support/listen.ts'
import { startJumpCloudServer } from '../servers/jumpcloud.ts'

/** Yields one record, then waits for input that never comes. */
const SOURCES: { readonly [name: string]: (t: TestContext, workspace: Workspace) => Promise<string> } = {
  async file(_t, workspace) {
    await workspace.write('in.ndjson', '{"id":1}\n')
    return '{ type: file, path: in.ndjson }'
  },
  async pipe(t, workspace) {
    makePipe(workspace)
    const writer = spawn('sh', ['-c', 'yes \'{"id":1}\' | head -n 100000 >pipe; exec sleep 60 >pipe'], {
      cwd: workspace.folder,
    })
    t.after(() => writer.kill())
    return '{ type: file, path: pipe, format: ndjson }'
  },
  async http(t) {
    const server = createServer((_request, response) => response.end('[{"id":1}]'))
    const port = await listen(server)
    t.after(() => server.close().closeAllConnections())
    return `{ type: http, request: { url: "http://127.0.0.1:${port}/" }, poll: 1h }`
  },
  async 'http that does not respond'(t) {
    let requests = 0
    const server = createServer((_request, response) => {
      if (requests++ === 0) response.end('[{"id":1}]')
    })
    const port = await listen(server)
    t.after(() => server.close().closeAllConnections())
    return `{ type: http, request: { url: "http://127.0.0.1:${port}/" }, poll: 10ms }`
  },
  async jumpcloud(t) {
    const server = await startJumpCloudServer({ events: 1 })
    t.after(() => server.close())
    return `{ type: jumpcloud, apiKey: "${server.apiKey}", baseUrl: "${server.url}", poll: 1h, window: { since: 2d } }`
  },
  async 'a custom source that waits for its signal'(_t, workspace) {
    await workspace.write('pipelines/source.ts', sourceCode('signal.aborted'))
    return '{ type: ./source.ts }'
  },
  async 'a custom source that ignores its signal'(_t, workspace) {
    await workspace.write('pipelines/source.ts', sourceCode('false'))
    return '{ type: ./source.ts }'
  },
}

function sourceCode(isOver: string): string {
  return `import { defineSource } from 'sluice'
export default defineSource({
  summary: 'Waits.', repeats: false, fields: {},
  create: () => ({
    async *read({ signal }) {
      yield { records: [{ id: 1 }], position: 1 }
      while (!(${isOver})) await new Promise((resolve) => setTimeout(resolve, 50))
    },
  }),
})
`
}

interface Failure {
  readonly status: number
  readonly text: RegExp
  readonly transforms?: string
  readonly sink: string
  readonly files?: { readonly [name: string]: string }
  /** Makes the failure happen once the run owns its state. */
  cause?(workspace: Workspace, running: RunningCommand): Promise<void>
}

/** The source has been asked for more by then. */
const SOON = 'await new Promise((resolve) => setImmediate(resolve))'

const FILE_SINK = '{ type: file, path: out, roll: { maxAge: 200ms } }'

const FAILURES: { readonly [code: string]: Failure } = {
  SINK_REFUSED: {
    status: 4,
    text: /^sluice: SINK_REFUSED: /m,
    sink: '{ type: file, path: out, roll: { maxAge: 3s } }',
    async cause(workspace) {
      await rm(workspace.path('out'), { recursive: true, force: true })
      await workspace.write('out', 'not a folder')
    },
  },
  SINK_FAILED: {
    status: 4,
    text: /^sluice: SINK_FAILED: the sink failed: broken/m,
    sink: '{ type: ./sink.ts }',
    files: { 'pipelines/sink.ts': sinkCode(`throw new Error('broken')`) },
  },
  SINK_CLOSED: {
    status: 0,
    text: /^p: closed in /m,
    sink: '{ type: ./sink.ts }',
    files: { 'pipelines/sink.ts': sinkCode(`throw new SluiceError('SINK_CLOSED', 'no more')`) },
  },
  TRANSFORM_FAILED: {
    status: 1,
    text: /^sluice: TRANSFORM_FAILED: /m,
    transforms: '[{ type: ./fail.ts, onError: stop }]',
    sink: FILE_SINK,
    files: { 'pipelines/fail.ts': `export default async () => { ${SOON}; throw new Error('broken') }\n` },
  },
  DISK_FAILED: {
    status: 6,
    text: /^sluice: DISK_FAILED: /m,
    sink: '{ type: file, path: out, roll: { maxAge: 3s } }',
    cause: (workspace) => rm(workspace.path('.sluice/p/outbox'), { recursive: true }),
  },
  STATE_IN_USE: {
    status: 6,
    text: /^sluice: STATE_IN_USE: /m,
    sink: '{ type: file, path: out, roll: { maxAge: 15s } }',
    async cause(workspace, running) {
      await stopBetweenTransactions(workspace, running)
      await rm(workspace.path('.sluice/p', await ownerSocket(workspace)))
      await workspace.write('none.ndjson', '')
      const other = workspace.start(['run', 'p', '--set', 'source={ type: file, path: none.ndjson }'])
      const { code, stderr } = await other.ended
      running.kill('SIGCONT')
      assert.equal(code, 0, stderr)
    },
  },
}

/**
 * A process that is stopped within a transaction, or while it flushes one, keeps a lock of the database,
 * and another one would wait for ever. Ends well before `maxAge`, with which the run makes its only commit.
 */
async function stopBetweenTransactions(workspace: Workspace, running: RunningCommand): Promise<void> {
  const database = workspace.path('.sluice/p/state')
  for (;;) {
    running.kill('SIGSTOP')
    try {
      await promisify(execFile)(process.execPath, ['-e', WRITE_AND_FLUSH, database], { timeout: 2000 })
      return
    } catch {
      running.kill('SIGCONT')
      await sleep(50)
    }
  }
}

const WRITE_AND_FLUSH = `
const db = require(${JSON.stringify(createRequire(import.meta.url).resolve('lmdb'))})
  .open({ path: process.argv[1], noSubdir: false, encoding: 'json' })
db.transactionSync(() => db.putSync('probe', 1))
db.transactionSync(() => db.removeSync('probe'))
db.flushed.then(() => process.exit())`

function sinkCode(write: string): string {
  return `import { defineSink, SluiceError } from 'sluice'
export default defineSink({
  summary: 'Fails.', delivers: 'stream', fields: {},
  create: () => ({ async write() { ${SOON}; ${write} }, async flush() {} }),
})
`
}

describe('a run ends with --follow and without more input', { concurrency: 4 }, () => {
  for (const [source, open] of Object.entries(SOURCES)) {
    for (const [code, failure] of Object.entries(FAILURES)) {
      test(`after ${code} with ${source}`, { timeout: 60_000 }, async (t) => {
        const workspace = await openWorkspace(t)
        for (const [name, text] of Object.entries(failure.files ?? {})) await workspace.write(name, text)
        const { transforms = '[]', sink } = failure
        const lines = [
          `source: ${await open(t, workspace)}`,
          `transforms: ${transforms}`,
          `sink: ${sink}`,
          'allowRepeats: true',
        ]
        await workspace.write('pipelines/p.yaml', `${lines.join('\n')}\n`)
        const running = workspace.start(['run', 'p', ...(source === 'pipe' ? [] : ['--follow'])])
        if (failure.cause) {
          await ownerSocket(workspace)
          await failure.cause(workspace, running)
        }
        const { code: status, stderr } = await running.ended
        assert.match(stderr, failure.text)
        assert.equal(status, failure.status, stderr)
        assert.equal(/left something open/.test(stderr), source.includes('ignores'), stderr)
      })
    }
  }
})

test('a failed pipeline ends alone: the others in its process collect on', { timeout: 60_000 }, async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('in.ndjson', '{"id":1}\n')
  await workspace.write('out/bad', 'not a folder')
  for (const name of ['bad', 'good'])
    await workspace.write(
      `pipelines/${name}.yaml`,
      `source: { type: file, path: in.ndjson }
sink: { type: file, path: out/${name}, key: all, compression: none, roll: { maxAge: 200ms } }
`,
    )
  const running = workspace.start(['run', 'bad', 'good', '--follow', '--report', 'report.json'])
  const objects = () => readdir(workspace.path('out/good/all')).catch(() => [])
  while (!existsSync(workspace.path('report-bad.json')) || (await objects()).length < 1) await sleep(20)
  await appendFile(workspace.path('in.ndjson'), '{"id":2}\n')
  while ((await objects()).length < 2) await sleep(20)
  running.kill('SIGTERM')
  const { code, stderr } = await running.ended
  assert.equal(code, 4, stderr)
  assert.match(stderr, /^bad: failed in .*[\s\S]*^good: interrupted in /m)
})

test('SIGTERM ends a run that waits for the writer of a pipe', { timeout: 60_000 }, async (t) => {
  const workspace = await openWorkspace(t)
  makePipe(workspace)
  await workspace.write('pipelines/p.yaml', `source: { type: file, path: pipe }\nsink: ${FILE_SINK}\n`)
  const running = workspace.start(['run', 'p'])
  await ownerSocket(workspace)
  running.kill('SIGTERM')
  assert.equal((await running.ended).code, 130)
})

const NEVER = '() => new Promise(() => {})'

const streamSink = (methods: string) => `import { defineSink } from 'sluice'
export default defineSink({ summary: 'x', delivers: 'stream', fields: {}, create: () => ({
  write: async () => {}, flush: async () => {}, ${methods} }) })
`

describe('a component that never finishes, with nothing left that could finish it, ends the run with 7', () => {
  const cases: { readonly [what: string]: { readonly code: string; readonly use?: string } } = {
    'write of sink c': { code: streamSink(`write: ${NEVER}`) },
    'flush of sink c': { code: streamSink(`flush: ${NEVER}`) },
    'close of sink c': { code: streamSink(`close: ${NEVER}`) },
    'transform c': { use: 'transforms', code: `export default ${NEVER}\n` },
    'close of transform c': {
      use: 'transforms',
      code: `import { defineTransform } from 'sluice'
export default defineTransform({ summary: 'x', fields: {}, create: () => ({ transform: (record) => record, close: ${NEVER} }) })
`,
    },
    'create of transform c': {
      use: 'transforms',
      code: `import { defineTransform } from 'sluice'
export default defineTransform({ summary: 'x', fields: {}, create: ${NEVER} })
`,
    },
    'the next chunk of source \\./c\\.ts': {
      use: 'source',
      code: `import { defineSource } from 'sluice'
export default defineSource({ summary: 'x', repeats: false, fields: {}, create: () => ({
  async *read() { yield { records: [{ id: 1 }] }; await new Promise(() => {}) } }) })
`,
    },
  }
  for (const [what, { code, use = 'sink' }] of Object.entries(cases)) {
    test(`and names ${what}`, { timeout: 60_000 }, async (t) => {
      const workspace = await openWorkspace(t)
      await workspace.write('in.ndjson', '{"id":1}\n')
      await workspace.write('pipelines/c.ts', code)
      const component = (role: string, usual: string) => (use === role ? '{ type: ./c.ts }' : usual)
      await workspace.write(
        'pipelines/p.yaml',
        `source: ${component('source', '{ type: file, path: in.ndjson }')}
transforms: [${use === 'transforms' ? '{ type: ./c.ts }' : ''}]
sink: ${component('sink', FILE_SINK)}
`,
      )
      const { code: status, stderr } = await workspace.start(['run', 'p', '--report', 'report.json']).ended
      assert.match(stderr, new RegExp(`^sluice: COMPONENT_STALLED: ${what} never finished`, 'm'))
      assert.equal(status, 7, stderr)
      const report: Report = JSON.parse(await readFile(workspace.path('report.json'), 'utf8'))
      assert.equal(report.error?.code, 'COMPONENT_STALLED')
    })
  }

  test(
    'or after a while, if it keeps the process alive and ignores that the run has failed',
    {
      timeout: 120_000,
    },
    async (t) => {
      const forever = 'new Promise(() => setInterval(() => {}, 1000))'
      const failing = streamSink(`write: async () => { throw new Error('broken') }`)
      const stuck: { readonly [name: string]: readonly [string, string, RegExp] } = {
        'a transform': [
          `let n = 0\nexport default (record) => (++n > 1000 ? ${forever} : record)\n`,
          failing,
          /SINK_FAILED/,
        ],
        'the close of a sink': [
          '',
          streamSink(`close: () => ${forever}`),
          /COMPONENT_STALLED: close of sink c took longer/,
        ],
      }
      await Promise.all(
        Object.values(stuck).map(async ([transform, sink, text]) => {
          const workspace = await openWorkspace(t)
          await workspace.write('in.ndjson', `{"pad":"${'x'.repeat(1000)}"}\n`.repeat(1500))
          await workspace.write('pipelines/c.ts', sink)
          await workspace.write('pipelines/t.ts', transform)
          const transforms = transform === '' ? '[]' : '[{ type: ./t.ts, concurrency: 1 }]'
          await workspace.write(
            'pipelines/p.yaml',
            `source: { type: file, path: in.ndjson }\ntransforms: ${transforms}\nsink: { type: ./c.ts }\n`,
          )
          const { code, stderr } = await workspace.start(['run', 'p']).ended
          assert.match(stderr, text)
          assert.notEqual(code, 0)
        }),
      )
    },
  )

  test('and also where no run is under way, and where its code calls process.exit', { timeout: 60_000 }, async (t) => {
    const workspace = await openWorkspace(t)
    await workspace.write('pipelines/forever.ts', 'await new Promise(() => {})\n')
    await workspace.write('pipelines/exit.ts', 'export default () => process.exit(0)\n')
    await workspace.write('in.ndjson', '{"id":1}\n')
    for (const [type, why] of [
      ['forever', /COMPONENT_STALLED: the command did not finish: it waits for a promise/],
      ['exit', /COMPONENT_STALLED: the command did not finish: code of a component called process\.exit/],
    ] as const) {
      await workspace.write(
        'pipelines/p.yaml',
        `source: { type: file, path: in.ndjson }\ntransforms: [{ type: ./${type}.ts }]\nsink: ${FILE_SINK}\n`,
      )
      const { code, stderr } = await workspace.start(['run', 'p']).ended
      assert.match(stderr, why)
      assert.equal(code, 7)
    }
  })
})

function makePipe(workspace: Workspace): void {
  execFileSync('sh', ['-c', 'mkfifo pipe'], { cwd: workspace.folder })
}

async function ownerSocket(workspace: Workspace): Promise<string> {
  for (;;) {
    const names: string[] = await readdir(join(workspace.folder, '.sluice/p')).catch(() => [])
    const outbox = names.includes('outbox')
    const socket = names.find((name) => name.endsWith('.sock'))
    if (socket !== undefined && outbox) return socket
    await sleep(20)
  }
}
