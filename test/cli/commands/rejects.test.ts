import assert from 'node:assert/strict'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import type { Report } from '../../../src/observe/report.ts'
import type { Workspace } from '../../support/command.ts'
import { openProject } from '../../support/cli-project.ts'

const owner =
  'export default (record: any) => (record.has("owner") ? record : record.reject("NO_OWNER", "owner is empty"))\n'

function pipeline(more = ''): string {
  return `source: { type: file, path: in.ndjson }
transforms:
  - { type: redact, rules: [{ path: ip, action: mask }] }
  - { type: ../owner.ts }
  - { type: dedup, key: id, missing: reject }
sink: { type: file, path: out }
${more}`
}

const broken = Buffer.from([0x7b, 0xff, 0xfe, 0x0a])
const input = Buffer.concat([
  Buffer.from(
    '{"id":1,"owner":1}\n{"id":2,"ip":"10.0.0.1","big":12345678901234567890,"odd":"\u2028\u009b"}\n{"owner":1}\nbroken "record":\n',
  ),
  broken,
  Buffer.from('{"id":3}\n'),
])

interface Line {
  id: string
  code: string
  stage: string
  line: number
  record?: { id?: number; ip?: string }
  text?: string
  base64?: string
}

function parse(stdout: string): Line[] {
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line): Line => JSON.parse(line))
}

describe('sluice rejects show', () => {
  test('groups rejects by code and stage', async (t) => {
    const workspace = await openProject(t, { 'owner.ts': owner, 'pipelines/p.yaml': pipeline() })
    await workspace.write('in.ndjson', input)
    await workspace.report(['run', 'p'])

    const { code, stdout, stderr } = await workspace.sluice(['rejects', 'show', 'p', '--limit', '1'])

    assert.equal(code, 0, stderr)
    assert.equal(
      stdout,
      `NO_OWNER at owner: 2
  in.ndjson:2  owner is empty  {"id":2,"ip":"[redacted]","big":12345678901234567890,"odd":"\\u2028\\u009b"}
  … and 1 more
INVALID_JSON at source: 1
  in.ndjson:4
INVALID_UTF8 at source: 1
  in.ndjson:5
KEY_MISSING at dedup: 1
  in.ndjson:3  id is missing  {"owner":1}
`,
    )
    const json = await workspace.sluice(['rejects', 'show', 'p', '--json', '--code', 'NO_OWNER', '--stage', 'owner'])
    assert.deepEqual(
      parse(json.stdout).map(({ code: name, stage, record }) => [name, stage, record?.id, record?.ip]),
      [
        ['NO_OWNER', 'owner', 2, '[redacted]'],
        ['NO_OWNER', 'owner', 3, undefined],
      ],
    )
    assert.equal(parse((await workspace.sluice(['rejects', 'show', 'p', '--json', '--limit', '2'])).stdout).length, 2)
    assert.equal((await workspace.sluice(['rejects', 'show', 'p', '--stage', 'filter'])).stdout, 'no rejects\n')
  })

  test('shows local rejects in addition to the copies in a sink', async (t) => {
    const more = 'rejects: { type: file, path: refused, compression: none, unparsed: keep }\n'
    const workspace = await openProject(t, { 'owner.ts': owner, 'pipelines/p.yaml': pipeline(more) })
    await workspace.write('in.ndjson', input)
    await workspace.report(['run', 'p'])
    const { stdout } = await workspace.sluice(['rejects', 'show', 'p', '--json'])
    const unparsed = parse(stdout).filter(({ stage }) => stage === 'source')
    assert.deepEqual(
      new Map(unparsed.map(({ line, text, base64 }) => [line, text ?? base64])),
      new Map([
        [4, 'broken "record":'],
        [5, broken.subarray(0, -1).toString('base64')],
      ]),
    )
    assert.deepEqual(
      unparsed.map(({ base64 }) => base64 === undefined),
      unparsed.map(({ line }) => line === 4),
    )
    assert.equal(parse(stdout).length, 5)
    const { code, stdout: verified } = await workspace.sluice(['verify', 'p', '--json'])
    assert.equal(code, 0, verified)
    const [file] = await readdir(workspace.path('.sluice/p/rejects'))
    await writeFile(workspace.path('.sluice/p/rejects', file), '{}\n')
    assert.match((await workspace.sluice(['verify', 'p'])).stdout, /altered +rejects\/00000001\.ndjson/)
    await rm(workspace.path('.sluice/p/rejects', file))
    assert.match(
      (await workspace.sluice(['verify', 'p'])).stdout,
      /missing +rejects\/00000001\.ndjson: not found \(5 records\)/,
    )
  })

  test('deletes the oldest rejects when their space is full, and reports it', async (t) => {
    const workspace = await openProject(t, {
      'owner.ts': owner,
      'pipelines/p.yaml': pipeline('rejects: { local: 64KiB }\n'),
    })
    const lines = Array.from({ length: 3000 }, (_, id) => `{"id":${id},"text":"${'x'.repeat(100)}"}\n`)
    await workspace.write('in.ndjson', lines.join(''))
    const report = await workspace.report(['run', 'p'])
    assert.equal(report.rejected, 3000)
    await workspace.write('in.ndjson', `${lines.join('')}{"id":"last"}\n`)
    const second = await workspace.sluice(['run', 'p'])
    assert.equal(second.code, 0)
    assert.match(second.stderr, /oldest local rejects were deleted.* records=3000/)
    const { stdout, stderr } = await workspace.sluice(['rejects', 'show', 'p'])
    assert.equal(stdout, 'NO_OWNER at owner: 1\n  in.ndjson:3001  owner is empty  {"id":"last"}\n')
    assert.equal(stderr, '3,000 older rejects deleted to free disk space\n')
    assert.equal((await workspace.sluice(['verify', 'p'])).code, 0)
  })
})

describe('sluice rejects replay', () => {
  test('writes corrected records once, removes them, and keeps records that are rejected again', async (t) => {
    const files = { 'owner.ts': owner, 'pipelines/p.yaml': plain('  - { type: filter, drop: { noise: true } }\n') }
    const workspace = await openProject(t, files)
    await workspace.write(
      'in.ndjson',
      '{"id":1,"owner":1}\n{"id":2,"big":1e400}\n{"id":3}\n{"id":4}\n{"id":5}\nbroken\n',
    )
    assert.equal((await workspace.report(['run', 'p'])).rejected, 5)
    const before = await shown(workspace)
    const idOf = (line: number) => before.find((reject) => reject.line === line)?.id
    const corrected = await workspace.write(
      'corrected.ndjson',
      [
        `{"id":"${idOf(2)}","record":{"id":2, "big":1e400,"owner":"now"}}`,
        `{"id":"${idOf(3)}","record":{"id":3,"still":"none"}}`,
        `{"id":"${idOf(4)}","record":{"id":1,"owner":"of the first"}}`,
        '',
        `{"id":"${idOf(5)}","record":{"id":5,"owner":1,"noise":true}}`,
        `{"id":"${idOf(6)}","record":{"id":6,"owner":1,"from":"a broken line"}}`,
      ].join('\n'),
    )

    const report = await replay(workspace, '--file', corrected)

    assert.deepEqual(
      [report.read, report.written, report.rejected, report.duplicate, report.dropped],
      [5, 2, 1, 1, { filter: 1 }],
    )
    assert.deepEqual(await written(workspace), [
      '{"id":1,"owner":1}',
      '{"id":2, "big":1e400,"owner":"now"}',
      '{"id":6,"owner":1,"from":"a broken line"}',
    ])
    const [remaining, ...others] = await shown(workspace)
    assert.deepEqual(others, [])
    assert.deepEqual(
      [remaining.code, remaining.stage, remaining.line, remaining.record],
      ['NO_OWNER', 'owner', 3, { id: 3, still: 'none' }],
    )
    await assertVerified(workspace)

    const again = await replay(workspace, '--file', corrected)
    assert.deepEqual([again.read, again.written], [0, 0])
    assert.equal((await written(workspace)).length, 3)
    await workspace.write('copies.ndjson', await readFile(workspace.path('in.ndjson')))
    const copies = await workspace.report(['backfill', 'p', 'copies.ndjson'])
    assert.deepEqual([copies.written, copies.rejected, copies.duplicate], [0, 0, 6])
  })

  test('replays all rejects unchanged after the stage that rejected them has changed', async (t) => {
    const files = { 'owner.ts': owner, 'pipelines/p.yaml': plain() }
    const workspace = await openProject(t, files)
    const records = Array.from({ length: 300 }, (_, id) => `{"id":${id},"b":[1, ${id}]}`)
    await workspace.write('in.ndjson', `${records.join('\n')}\nbroken\n`)
    await workspace.report(['run', 'p'])
    const none = await replay(workspace)
    assert.deepEqual([none.read, none.written, none.rejected], [300, 0, 300])
    await workspace.write('owner.ts', 'export default (record: any) => record\n')

    const { code, stderr } = await workspace.sluice(['rejects', 'replay', 'p'])

    assert.equal(code, 0, stderr)
    assert.match(stderr, /without a record are not replayed.* rejects=1/)
    assert.deepEqual(await written(workspace), records)
    assert.deepEqual(
      (await shown(workspace)).map(({ stage }) => stage),
      ['source'],
    )
    await assertVerified(workspace)
    assert.equal((await replay(workspace)).read, 0)
  })

  test('skips the redactions that a reject has passed already, and applies the later ones', async (t) => {
    const hmac =
      '  - { type: redact, preset: none, rules: [{ path: "{user,late}", action: hmac, key: a-key-of-twenty-bytes }] }\n'
    const stages = `  - ${masked}\n  - { type: ../owner.ts }\n  - { type: ../late.ts }\n${hmac}`
    const late = 'export default (record: any) => record.set("late", "added later")\n'
    const workspace = await openProject(t, {
      'owner.ts': owner,
      'late.ts': late,
      'pipelines/p.yaml': pipelineOf(stages),
    })
    await workspace.write('in.ndjson', '{"id":1,"user":"u","owner":1}\n{"id":2,"user":"u"}\n')
    await workspace.report(['run', 'p'])
    const [reject] = await shown(workspace)
    const record = { ...reject.record, owner: 1 }
    const corrected = await workspace.write('corrected.ndjson', JSON.stringify({ ...reject, record }))

    await replay(workspace, '--file', corrected)

    const [first, second] = (await written(workspace)).map((line): { user: string; late: string } => JSON.parse(line))
    assert.match(second.user, /^hmac:/)
    assert.equal(second.user, first.user)
    assert.equal(second.late, first.late)
  })

  test('keeps the dedup key of a record that was rejected after dedup', async (t) => {
    const stages = `  - { type: dedup, key: id }\n  - ${masked}\n  - { type: ../owner.ts }\n`
    const rules = masked.replace('ip', 'id')
    const project = { 'owner.ts': owner, 'pipelines/p.yaml': pipelineOf(stages.replace(masked, rules)) }
    const workspace = await openProject(t, project)
    await workspace.write('in.ndjson', '{"id":"a"}\n{"id":"b"}\n')
    await workspace.report(['run', 'p'])
    await workspace.write('copies.ndjson', '{"id":"a","owner":"a copy"}\n')
    assert.equal((await workspace.report(['backfill', 'p', 'copies.ndjson'])).written, 1)
    await workspace.write('owner.ts', 'export default (record: any) => record\n')

    const { written: count, duplicate } = await replay(workspace)

    assert.deepEqual([count, duplicate], [1, 1])
    await assertVerified(workspace)
    await workspace.write('copies.ndjson', '{"id":"b","owner":"another"}\n')
    const copies = await workspace.report(['backfill', 'p', 'copies.ndjson'])
    assert.deepEqual([copies.written, copies.duplicate], [0, 1])
  })

  test('does not take a part of a split record for a duplicate of its sibling', async (t) => {
    const split =
      'export default (record: any) => record.value.parts.map((part: object) => ({ id: record.value.id, ...part }))\n'
    const stages = '  - { type: ../split.ts }\n  - { type: ../owner.ts }\n  - { type: dedup, key: id }\n'
    const project = { 'owner.ts': owner, 'split.ts': split, 'pipelines/p.yaml': pipelineOf(stages) }
    const workspace = await openProject(t, project)
    await workspace.write('in.ndjson', '{"id":1,"parts":[{"owner":1},{"n":2}]}\n')
    const { written: count, rejected } = await workspace.report(['run', 'p'])
    assert.deepEqual([count, rejected], [1, 1])
    const [reject] = await shown(workspace)
    await workspace.write('again.ndjson', JSON.stringify({ id: reject.id, record: { id: 1, n: 2 } }))
    assert.equal((await replay(workspace, '--file', 'again.ndjson')).rejected, 1)
    const [{ id }] = await shown(workspace)
    const corrected = await workspace.write(
      'corrected.ndjson',
      JSON.stringify({ id, record: { id: 1, n: 2, owner: 1 } }),
    )

    const { stderr, code } = await workspace.sluice(['rejects', 'replay', 'p', '--file', corrected])

    assert.equal(code, 0, stderr)
    assert.match(stderr, new RegExp(`a reject is not forgotten.* id=${id}`))
    assert.equal((await shown(workspace)).length, 1)
    await assertVerified(workspace)
  })

  test('validates all lines of all files before it replays the first one', async (t) => {
    const files = { 'owner.ts': owner, 'pipelines/p.yaml': `${plain()}limits: { maxLine: 1KiB }\n` }
    const workspace = await openProject(t, files)
    await workspace.write('in.ndjson', '{"id":2}\n{"id":3}\n')
    await workspace.report(['run', 'p'])
    const [{ id }] = await shown(workspace)
    const good = `{"id":"${id}","record":{"id":2,"owner":1}}`
    const long = `{"id":"1-7","record":{"a":"${'long'.repeat(300)}"}}`
    await workspace.write('one.ndjson', `${good}\nno JSON\n{"record":{}}\n{"id":"${id}","record":[]}\n${long}\n`)
    await workspace.write('two.ndjson', `\n${good}\n`)

    const refused = await workspace.sluice(['rejects', 'replay', 'p', '--file', 'one.ndjson', 'two.ndjson'])

    assert.equal(refused.code, 2)
    for (const problem of [
      'one.ndjson:2: the line is INVALID_JSON',
      'one.ndjson:3: the line has no reject id',
      'one.ndjson:4: `record` is not an object',
      'one.ndjson:5: `record` is TOO_LONG',
      `two.ndjson:2: ${id} is also in one.ndjson:1`,
    ]) {
      assert.ok(refused.stderr.includes(problem), refused.stderr)
    }
    assert.equal((await workspace.sluice(['rejects', 'replay', 'p', '--file', 'no.ndjson'])).code, 3)
    assert.equal((await shown(workspace)).length, 2)
    assert.equal((await replay(workspace, '--file', 'two.ndjson')).written, 1)
  })

  test('fails if the stage is gone, if another process owns the state, or if there is no state', async (t) => {
    const workspace = await openProject(t, { 'owner.ts': owner, 'pipelines/p.yaml': plain() })
    const absent = await workspace.sluice(['rejects', 'replay', 'p'])
    assert.equal(absent.code, 6)
    assert.match(absent.stderr, /STATE_NOT_FOUND/)
    await workspace.write('in.ndjson', '{"id":2}\n')
    await workspace.report(['run', 'p'])
    await workspace.write('pipelines/p.yaml', pipelineOf('  - { type: dedup, key: id }\n'))
    const gone = await workspace.sluice(['rejects', 'replay', 'p'])
    assert.equal(gone.code, 6)
    assert.match(gone.stderr, /STATE_MISMATCH.* no longer has a stage owner \(1 reject\)/)
    const moved = '  - { type: dedup, key: id }\n  - { type: ../owner.ts }\n'
    await workspace.write('pipelines/p.yaml', pipelineOf(moved))
    assert.match((await workspace.sluice(['rejects', 'replay', 'p'])).stderr, /dedup was not before owner then/)

    await workspace.write('pipelines/p.yaml', plain())
    const running = workspace.start(['run', 'p', '--follow'])
    while (!(await workspace.sluice(['state', 'show', 'p'])).stdout.includes(`process ${running.pid}\n`));
    const inUse = await workspace.sluice(['rejects', 'replay', 'p'])
    running.kill('SIGTERM')
    await running.ended
    assert.equal(inUse.code, 6)
    assert.match(inUse.stderr, new RegExp(`STATE_IN_USE.* process ${running.pid}`))
    assert.equal((await shown(workspace)).length, 1)
  })
})

const masked = '{ type: redact, rules: [{ path: ip, action: mask }] }'

function pipelineOf(stages: string): string {
  return `source: { type: file, path: in.ndjson }
transforms:
${stages}sink: { type: file, path: out, compression: none }
`
}

function plain(more = ''): string {
  return pipelineOf(`  - { type: ../owner.ts }\n  - { type: dedup, key: id }\n${more}`)
}

async function replay(workspace: Workspace, ...more: string[]): Promise<Report> {
  return workspace.report(['rejects', 'replay', 'p', ...more])
}

async function shown(workspace: Workspace): Promise<Line[]> {
  return parse((await workspace.sluice(['rejects', 'show', 'p', '--json'])).stdout)
}

async function written(workspace: Workspace): Promise<string[]> {
  const names = await readdir(workspace.path('out'), { recursive: true })
  const files = names.filter((name) => name.endsWith('.ndjson')).toSorted()
  const texts = await Promise.all(files.map((name) => readFile(workspace.path('out', name), 'utf8')))
  return texts.join('').split('\n').filter(Boolean)
}

async function assertVerified(workspace: Workspace): Promise<void> {
  const { code, stdout, stderr } = await workspace.sluice(['verify', 'p'])
  assert.equal(code, 0, stdout + stderr)
}
