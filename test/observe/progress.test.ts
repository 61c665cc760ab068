import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { openWorkspace, type Workspace } from '../support/command.ts'
import { MAIN } from '../support/paths.ts'

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

const hasScript = spawnSync('script', ['--version']).status === 0

test(
  'on a terminal, one line shows rate, percentage and remaining time',
  { skip: !hasScript && 'needs script(1)' },
  async (t) => {
    const workspace = await openWorkspace(t)
    await writeSlowPipeline(workspace)
    const command = `${process.execPath} ${MAIN} run p`
    const child = spawn('script', ['-qec', command, '/dev/null'], {
      cwd: workspace.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
    const [code]: (number | null)[] = await once(child, 'close')
    assert.equal(code, 0, output)
    assert.match(output, /\d records {2}\d+ records\/s {2}\d+\.\d MB\/s {2}\d+ % of 4\.0 MB, \d+ s left/)
    assert.ok(output.includes('\r\u001b[K'), 'the line is rewritten')
    assert.match(output, /p: done in .*\r?\n +read +4\r?\n +written +4 /)
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
