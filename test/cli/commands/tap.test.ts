import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openWatched } from './watched-pipeline.ts'

const LINE = /^\{"id": \d+,"secret":"hidden","n":1\.0,"text":"x{100}","twice":\d+\}$/

test('tap shows records as the sink gets them, byte for byte, and ends at its limit', async (t) => {
  const { workspace, start, stop } = await openWatched(t)
  const run = await start()
  const { code, stdout, stderr } = await workspace.sluice(['tap', 'p', '--limit', '3'])
  assert.equal(code, 0, stderr)
  const lines = stdout.trim().split('\n')
  assert.equal(lines.length, 3)
  for (const line of lines) assert.match(line, LINE)
  assert.match(stderr, /^3 shown, looked at 3 of [\d,]+ records that passed$/m)
  await stop()
  assert.equal((await run.ended).code, 0)
})

test('tap shows a stage, before or after, and only what matches an expression', async (t) => {
  const { workspace, start, stop } = await openWatched(t)
  const run = await start()
  const tap = async (...args: string[]) => {
    const { code, stdout, stderr } = await workspace.sluice(['tap', 'p', '--limit', '2', ...args])
    assert.equal(code, 0, stderr)
    return stdout.trim().split('\n')
  }
  const where = await tap('--where', 'record.twice % 100 == 0')
  assert.ok(
    where.every((line) => LINE.test(line) && Number(/"twice":(\d+)/.exec(line)?.[1]) % 100 === 0),
    where.join(),
  )
  const before = await tap('--stage', 'compute', '--before')
  assert.ok(
    before.every((line) => line.includes('"secret":"hidden"') && !line.includes('twice')),
    before.join(),
  )
  const raw = await tap('--stage', 'filter', '--before', '--unredacted', '--where', 'record.id % 2 == 1')
  assert.ok(
    raw.every((line) => line.includes('"secret":"s3cret"')),
    raw.join(),
  )
  await stop()
  assert.equal((await run.ended).code, 0)
})

test('records that are not redacted yet are refused unless they are asked for', async (t) => {
  const { workspace, start, stop } = await openWatched(
    t,
    `  - { type: redact, preset: none, rules: [{ path: secret, action: mask, with: hidden }] }
  - { type: ../custom.js }
  - { type: redact, preset: none, rules: [{ path: text, action: mask, with: hidden }] }
`,
  )
  await workspace.write(
    'custom.js',
    `import { defineTransform } from 'sluice'
export default defineTransform({ summary: 'None.', fields: {}, examples: [], create: () => (record) => record })
`,
  )
  const run = await start()
  const refusal = async (...args: string[]) => {
    const { code, stdout, stderr } = await workspace.sluice(['tap', 'p', '--limit', '1', ...args])
    assert.equal(stdout, '')
    return `${code} ${stderr.trim()}`
  }
  for (const args of [
    ['--stage', 'custom'],
    ['--stage', 'redact'],
    ['--stage', 'redact-2', '--before'],
  ])
    assert.match(
      await refusal(...args),
      /^2 sluice: TAP_REFUSED: (before|after) \S+, records are not redacted yet: redact-2 comes later\n +tap --stage redact-2/,
      args.join(' '),
    )
  assert.match(
    await refusal('--stage', 'redct'),
    /^2 sluice: USAGE: the pipeline has no stage "redct"\n +did you mean redact\?/,
  )
  assert.match(await refusal('--where', 'record.id +'), /^2 sluice: EXPRESSION_INVALID: /)
  assert.match(await refusal('--where', '1 + 1'), /^2 sluice: EXPRESSION_INVALID: /)
  assert.match(await refusal('--limit', '0'), /^2 sluice: USAGE: --limit/)
  const { code, stdout } = await workspace.sluice(['tap', 'p', '--stage', 'custom', '--limit', '1', '--unredacted'])
  assert.equal(code, 0)
  assert.match(stdout, /"secret":"hidden".*"text":"x+"/)
  await stop()
  assert.equal((await run.ended).code, 0)
})

test('a tap that stops reading loses records, one that is killed is forgotten, and the run goes its way', async (t) => {
  const { workspace, start, stop } = await openWatched(t)
  const run = await start()
  const killed = workspace.start(['tap', 'p'])
  const slow = workspace.start(['tap', 'p'])
  while (killed.output.stdout === '' || slow.output.stdout === '')
    await new Promise((resolve) => setTimeout(resolve, 10))
  slow.kill('SIGSTOP')
  killed.kill('SIGKILL')
  await killed.ended
  const read = async (): Promise<number> => {
    const { stdout } = await workspace.sluice(['top', 'p', '--once', '--json'])
    const { read: seen }: { read: { records: number } } = JSON.parse(stdout)
    return seen.records
  }
  const before = await read()
  while ((await read()) < before + 20_000);
  slow.kill('SIGCONT')
  await stop()
  const { code, stderr } = await run.ended
  assert.equal(code, 0, stderr)
  const { code: status, stderr: said } = await slow.ended
  assert.equal(status, 0, said)
  assert.match(said, /^the run has ended; [\d,]+ shown, looked at [\d,]+ of [\d,]+ records that passed/m)
})

test('a stage in threads can be tapped', async (t) => {
  const { workspace, start, stop } = await openWatched(t, '  - { type: ../custom.js, parallel: 2 }\n')
  await workspace.write(
    'custom.js',
    `import { defineTransform } from 'sluice'
export default defineTransform({
  summary: 'Marks.', parallel: true, fields: {}, examples: [],
  create: () => (record) => record.set('mark', true),
})
`,
  )
  const run = await start()
  const { code, stdout, stderr } = await workspace.sluice(['tap', 'p', '--limit', '2', '--where', 'record.mark'])
  assert.equal(code, 0, stderr)
  assert.match(stdout, /^(\{"id": \d+,.*"mark":true\}\n){2}$/)
  await stop()
  assert.equal((await run.ended).code, 0)
})

test('without a run or a state, tap and top say so', async (t) => {
  const { workspace } = await openWatched(t)
  await workspace.write('pipelines/q.yaml', 'source: { type: file, path: in.ndjson }\nsink: { type: stdout }\n')
  await workspace.write('in.ndjson', '{}\n')
  await workspace.report(['run', 'q'])
  for (const command of ['tap', 'top']) {
    const args = command === 'top' ? ['--json'] : []
    const { code, stderr } = await workspace.sluice([command, 'q', ...args])
    assert.equal(code, 6)
    assert.match(
      stderr,
      /STATE_NOT_FOUND: .*has no state, so no run can be (tapped|watched) there\n +a run that writes to stdout has no state/,
    )
  }
  await workspace.write(
    'pipelines/r.yaml',
    'source: { type: file, path: in.ndjson }\nsink: { type: file, path: out }\n',
  )
  await workspace.report(['run', 'r'])
  for (const command of ['tap', 'top']) {
    const args = command === 'top' ? ['--json'] : []
    const { code, stderr } = await workspace.sluice([command, 'r', ...args])
    assert.equal(code, 6)
    assert.match(stderr, /NOT_RUNNING: no process runs r with this state; process \d+ was the last\n +start it/)
  }
  const { code, stderr } = await workspace.sluice(['top', '--json'])
  assert.equal(code, 6)
  assert.match(stderr, /NOT_RUNNING: no pipeline runs with a state in \.sluice/)
})

test('an expression without a result is said, and matches nothing', async (t) => {
  const { workspace, start, stop } = await openWatched(t)
  const run = await start()
  const where = 'record.id % 50 == 0 ? true : record.absent == 1'
  const { code, stderr } = await workspace.sluice(['tap', 'p', '--limit', '2', '--where', where])
  assert.equal(code, 0, stderr)
  assert.match(stderr, /--where has no result for [\d,]+ records: .*absent/)
  await stop()
  assert.equal((await run.ended).code, 0)
})
