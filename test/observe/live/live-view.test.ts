import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openWorkspace } from '../../support/command.ts'
import type { Workspace } from '../../support/command.ts'
import { MAIN } from '../../support/paths.ts'
import { needsScript, TestTerminal } from '../../support/terminal.ts'
import type { TerminalOptions } from '../../support/terminal.ts'

/** A source that yields a batch and a line of the log when there is a file with the next number, until \`stop\`. */
const SOURCE = `import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineSource } from 'sluice'
async function* read({ position, note }) {
  let id = position('all') ?? 0
  for (let batch = 1; !existsSync('stop'); batch++) {
    yield { records: Array.from({ length: 100 }, () => ({ id: id++, name: '日本語', secret: 'x' })), partition: 'all', position: id }
    while (!existsSync('stop') && batch > 20 && !existsSync('say')) await sleep(5)
    if (existsSync('say') && batch % 20 === 0) console.error('line number ' + batch)
    await sleep(5)
  }
}
export default defineSource({ summary: 'Waits.', repeats: false, fields: {}, examples: [], create: () => ({ read }) })
`

async function openProject(t: TestContext, names = ['p']): Promise<Workspace> {
  const workspace = await openWorkspace(t)
  await workspace.write('waits.js', SOURCE)
  for (const name of names)
    await workspace.write(
      `pipelines/${name}.yaml`,
      `source: { type: ../waits.js }
transforms:
  - { type: filter, where: 'record.id % 2 == 0' }
  - { type: redact, preset: none, rules: [{ path: secret, action: mask, with: hidden }] }
sink: { type: file, path: out, key: '日本語/{record.name}', roll: { maxAge: 1s } }
`,
    )
  return workspace
}

const START = { columns: 100, rows: 30 }

function start(t: TestContext, workspace: Workspace, args: readonly string[], options: Partial<TerminalOptions> = {}) {
  return new TestTerminal(t, args, { folder: workspace.folder, ...START, ...options })
}

const isShown = ({ lines }: TestTerminal): boolean => lines.some((line) => /^records +read [1-9]/.test(line))

test('the view shows a run, and leaves its summary and the cursor', { skip: needsScript }, async (t) => {
  const workspace = await openProject(t)
  const terminal = start(t, workspace, ['run', 'p'])
  await terminal.until((one) => isShown(one) && one.lines.some((line) => line.startsWith('objects')))
  const { lines } = terminal
  assert.match(lines.find((line) => line.startsWith('p ')) ?? '', /^p {2}reading {2}\d+ s {2}commits \d+/)
  for (const stage of ['waits', 'filter', 'redact', 'delivery'])
    assert.ok(
      lines.some((line) => new RegExp(`^${stage} +[\\d,]+/s .* \\d+ % `).test(line)),
      `${stage}\n${lines.join('\n')}`,
    )
  assert.equal(terminal.isCursorVisible, false)
  assert.ok(terminal.output.includes('\u001b[?2026h'))
  assert.ok(!terminal.output.includes('\u001b[2J'), 'nothing clears the screen')
  await writeFile(workspace.path('stop'), '')
  assert.equal(await terminal.ended(), 0)
  assert.equal(terminal.isCursorVisible, true)
  assert.match(terminal.all.join('\n'), /p: done in .*\n +read +[\d,]+\n +written/)
  assert.ok(!terminal.all.some((line) => /^(filter|redact|outbox|records) /.test(line)), terminal.all.join('\n'))
})

test(
  'from 40 to 200 columns no line wraps, and a change of the size leaves nothing over',
  { skip: needsScript },
  async (t) => {
    const workspace = await openProject(t)
    const terminal = start(t, workspace, ['run', 'p'], { columns: 200 })
    await terminal.until((one) => isShown(one) && one.lines.some((line) => line.startsWith('objects')))
    for (const [columns, rows] of [
      [120, 30],
      [80, 24],
      [60, 24],
      [40, 24],
      [200, 40],
      [79, 24],
      [100, 30],
      [100, 8],
      [50, 3],
    ] as const) {
      await terminal.resize(columns, rows)
      const before = terminal.output.length
      // Two drawings: the first may have been under way.
      await terminal.until((one) => one.output.slice(before).split('\u001b[?2026l').length > 2)
      assert.equal(terminal.wraps, false, `${columns} columns:\n${terminal.lines.join('\n')}`)
      assert.equal(
        terminal.lines.filter((line) => /^p {2}reading/.test(line)).length,
        1,
        `${columns} x ${rows}\n${terminal.lines.join('\n')}`,
      )
    }
    await writeFile(workspace.path('stop'), '')
    assert.equal(await terminal.ended(), 0)
    assert.equal(terminal.isCursorVisible, true)
  },
)

test('output of the process scrolls above the view, whole', { skip: needsScript }, async (t) => {
  const workspace = await openProject(t)
  const terminal = start(t, workspace, ['run', 'p'], { rows: 20 })
  await terminal.until(isShown)
  await writeFile(workspace.path('say'), '')
  await terminal.until(
    ({ all }) => all.filter((line) => /^line number \d+$/.test(line)).length > 10 && isShown(terminal),
  )
  await writeFile(workspace.path('stop'), '')
  assert.equal(await terminal.ended(), 0)
  const said = terminal.all.filter((line) => line.startsWith('line number')).map((line) => Number(line.slice(12)))
  assert.deepEqual(
    said,
    said.map((_, at) => said[0] + 20 * at),
  )
  assert.ok(!terminal.all.some((line) => /^(filter|redact|outbox|records) /.test(line)), terminal.all.join('\n'))
})

test('SIGINT shows that the run stops, and the cursor comes back', { skip: needsScript }, async (t) => {
  const workspace = await openProject(t)
  const terminal = start(t, workspace, ['run', 'p'])
  await terminal.until(isShown)
  terminal.type('\u0003')
  assert.equal(await terminal.ended(), 130)
  assert.equal(terminal.isCursorVisible, true)
  assert.match(terminal.all.join('\n'), /SIGINT: committing and stopping/)
  assert.match(terminal.all.join('\n'), /p: interrupted in/)
})

test(
  'a process that is stopped gives the terminal back, and draws again when it continues',
  { skip: needsScript },
  async (t) => {
    const workspace = await openProject(t)
    const terminal = new TestTerminal(t, `sh -c 'echo $$ > pid; exec ${process.execPath} ${MAIN} run p'`, {
      folder: workspace.folder,
      ...START,
    })
    await terminal.until(isShown)
    const pid = Number(await readFile(workspace.path('pid'), 'utf8'))
    process.kill(pid, 'SIGTSTP')
    // It gives the terminal back before it stops: a SIGCONT in between would have no effect.
    await terminal.until(({ isCursorVisible }) => isCursorVisible && isStopped(pid))
    assert.ok(!isShown(terminal))
    process.kill(pid, 'SIGCONT')
    await terminal.until(isShown)
    assert.equal(terminal.isCursorVisible, false)
    await writeFile(workspace.path('stop'), '')
    assert.equal(await terminal.ended(), 0)
    assert.equal(terminal.isCursorVisible, true)
  },
)

function isStopped(pid: number): boolean {
  return /\) T /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
}

for (const [name, args, env] of [
  ['--plain', ['--plain'], {}],
  ['TERM=dumb', [], { TERM: 'dumb' }],
  ['CI', [], { CI: 'true' }],
  ['a log of JSON', ['--log-format', 'json'], {}],
] as const)
  test(`${name}: no escape sequences`, { skip: needsScript }, async (t) => {
    const workspace = await openProject(t)
    await writeFile(workspace.path('stop'), '')
    const terminal = start(t, workspace, ['run', 'p', ...args], { env })
    assert.equal(await terminal.ended(), 0)
    assert.ok(!terminal.output.includes('\u001b'), JSON.stringify(terminal.output))
  })

test('NO_COLOR: the view has no colours', { skip: needsScript }, async (t) => {
  const workspace = await openProject(t)
  const terminal = start(t, workspace, ['run', 'p'], { env: { NO_COLOR: '1' } })
  await terminal.until(isShown)
  // oxlint-disable-next-line no-control-regex -- finds colours
  assert.doesNotMatch(terminal.output, /\u001b\[[\d;]*m/)
  await writeFile(workspace.path('stop'), '')
  assert.equal(await terminal.ended(), 0)
})

test('several pipelines have a block each, or a line each', { skip: needsScript }, async (t) => {
  const workspace = await openProject(t, ['a', 'b', 'c'])
  const terminal = start(t, workspace, ['run', 'a', 'b', 'c'], { rows: 50 })
  await terminal.until(({ lines }) => lines.filter((line) => /^records +read [1-9]/.test(line)).length === 3)
  await terminal.resize(100, 10)
  await terminal.until(({ lines }) => lines.filter((line) => /^[abc] {2}reading {2}\d/.test(line)).length === 3)
  assert.equal(terminal.wraps, false)
  await writeFile(workspace.path('stop'), '')
  assert.equal(await terminal.ended(), 0)
})

test('top shows the run of another process, and ends with q or with the run', { skip: needsScript }, async (t) => {
  const workspace = await openProject(t)
  const run = workspace.start(['run', 'p'])
  const terminal = start(t, workspace, ['top', '--wait'])
  await terminal.until(isShown)
  assert.equal(terminal.wraps, false)
  terminal.type('q')
  assert.equal(await terminal.ended(), 0)
  assert.equal(terminal.isCursorVisible, true)
  const other = start(t, workspace, ['top', 'p'])
  await other.until(isShown)
  await writeFile(workspace.path('stop'), '')
  assert.equal(await other.ended(), 0)
  assert.match(other.all.join('\n'), /p: the run has ended/)
  assert.equal((await run.ended).code, 0)
})
