import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { openWorkspace, type Workspace } from '../support/command.ts'
import { MAIN } from '../support/paths.ts'
import { DAY } from '../../src/time.ts'

/** A slow source that reports its total size. */
async function writeSlowPipeline(workspace: Workspace): Promise<void> {
  await workspace.write(
    'slow.js',
    `import { setTimeout as sleep } from 'node:timers/promises'
import { defineSource } from 'sluice'
async function* read() {
  for (let id = 0; id < 4; id++) {
    yield { records: [{ id }], sourceBytes: 1_000_000 }
    await sleep(400)
  }
}
export default defineSource({
  summary: 'Slow.', repeats: false, fields: {}, examples: [],
  create: () => ({ read, total: async () => ({ bytes: 4_000_000 }) }),
})
`,
  )
  await workspace.write('pipelines/p.yaml', 'source: { type: ../slow.js }\nsink: { type: file, path: out }\n')
}

async function runOnTerminal(workspace: Workspace): Promise<string> {
  const command = `${process.execPath} ${MAIN} run p`
  const child = spawn('script', ['-qec', `stty cols 200; ${command}`, '/dev/null'], {
    cwd: workspace.folder,
    env: { ...process.env, CI: '', NO_COLOR: '1', TERM: 'xterm-256color' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  const [code]: (number | null)[] = await once(child, 'close')
  assert.equal(code, 0, output)
  return output
}

function daysAgo(days: number): string {
  return new Date(Date.now() - days * DAY).toISOString().slice(0, 10)
}

const hasScript = spawnSync('script', ['--version']).status === 0

test(
  'on a terminal, the live view shows rate, percentage and remaining time',
  { skip: !hasScript && 'needs script(1)' },
  async (t) => {
    const workspace = await openWorkspace(t)
    await writeSlowPipeline(workspace)
    const output = await runOnTerminal(workspace)
    assert.match(output, /\d records {2}\d+ records\/s {2}\d+\.\d MB\/s {2}\d+ % of 4\.0 MB {2}\d+ s left/)
    assert.match(output, /p: done in .*\r?\n +read +4\r?\n +written +4 /)
  },
)

test(
  'on a terminal, the live view shows how far a source of time windows has read',
  { skip: !hasScript && 'needs script(1)' },
  async (t) => {
    const workspace = await openWorkspace(t)
    await workspace.write(
      'windows.js',
      `import { setTimeout as sleep } from 'node:timers/promises'
import { defineSource } from 'sluice'
const DAY = 24 * 60 * 60 * 1000
const since = Date.now() - 100 * DAY
async function* read() {
  for (const day of [20, 40, 99, 100]) {
    yield { bytes: Buffer.alloc(0), position: { at: since + day * DAY } }
    await sleep(400)
  }
}
export default defineSource({
  summary: 'Slow.', repeats: false, fields: {}, examples: [],
  describePosition: ({ at }) => ({ readUpTo: at }),
  create: () => ({ read, total: async () => ({ since }) }),
})
`,
    )
    await workspace.write('pipelines/p.yaml', 'source: { type: ../windows.js }\nsink: { type: file, path: out }\n')
    const output = await runOnTerminal(workspace)
    assert.ok(output.includes(`0 records  0 records/s  0.0 MB/s  reading ${daysAgo(80)}, 20 % of 100 d`), output)
    assert.ok(output.includes(`reading ${daysAgo(60)}, 40 % of 100 d`), output)
    assert.ok(output.includes(`read up to ${daysAgo(0)} `), output)
  },
)

test('without a terminal, there are plain log lines, or JSON with --json', async (t) => {
  const workspace = await openWorkspace(t)
  await writeSlowPipeline(workspace)
  const plain = await workspace.sluice(['run', 'p'])
  assert.ok(!plain.stderr.includes('\r') && !plain.stderr.includes('\u001b'))
  const json = await workspace.sluice(['run', 'p', '--json'])
  const lines = json.stderr.trim().split('\n')
  assert.equal(JSON.parse(lines.at(-1) ?? '').outcome, 'done')
})
