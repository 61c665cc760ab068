import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { test } from 'node:test'
import { Check } from 'typebox/value'
import { rejectDetail, rejectPage, replayAnswer, tryAnswer } from '../../src/ui/rejects/api.ts'
import type { RejectDetail, RejectPage, ReplayAnswer, TryRejectsAnswer } from '../../src/ui/rejects/api.ts'
import type { PipelineRow } from '../../src/ui/api.ts'
import { openWatched } from '../cli/commands/watched-pipeline.ts'
import { openProject } from '../support/cli-project.ts'
import { until } from '../support/until.ts'
import { openRejecting, published } from './rejecting-project.ts'
import { askJson, startUi } from './ui-process.ts'

const REJECTS = '/pipelines/p/rejects'

function idsOf(rejects: RejectPage['rejects']): string[] {
  return rejects.map(({ id }) => id)
}

test('the rejects of a queue come in pages, the newest first, as they are stored', async (t) => {
  const workspace = await openRejecting(t)
  const ui = await startUi(workspace)
  const whole = await askJson<RejectPage>(ui, REJECTS)
  assert.ok(Check(rejectPage, whole))
  const shown = (await workspace.sluice(['rejects', 'show', 'p', '--json'])).stdout.trimEnd().split('\n')
  const stored: { id: string; record?: object }[] = shown.map((line) => JSON.parse(line))
  assert.deepEqual(idsOf(whole.rejects), stored.map((one) => one.id).toReversed())
  assert.deepEqual([whole.total, whole.matching, whole.evicted, whole.withoutTime], [9, 9, 0, 0])
  assert.deepEqual(whole.groups, [
    { code: 'SCHEMA_VIOLATION', stage: 'validate', count: 8 },
    { code: 'INVALID_JSON', stage: 'source', count: 1 },
  ])
  let pages: RejectPage['rejects'] = []
  for (let next: string | undefined = ''; next !== undefined;) {
    const page: RejectPage = await askJson(ui, `${REJECTS}?limit=2${next && `&after=${next}`}`)
    assert.ok(page.rejects.length <= 2)
    pages = [...pages, ...page.rejects]
    ;({ next } = page)
  }
  assert.deepEqual(pages, whole.rejects)
  const ids = idsOf(whole.rejects)
  let back: string[] = []
  for (let previous: string | undefined = ids.at(-1); previous !== undefined;) {
    const page: RejectPage = await askJson(ui, `${REJECTS}?limit=3&before=${previous}`)
    assert.equal(page.next, page.rejects.at(-1)?.id)
    back = [...idsOf(page.rejects), ...back]
    ;({ previous } = page)
  }
  assert.deepEqual(back, ids.slice(0, -1))
  // Nothing is newer than the newest; both ways are those of the filter.
  const { rejects, previous, next } = await askJson<RejectPage>(ui, `${REJECTS}?before=${ids[0]}`)
  assert.deepEqual([rejects, previous, next], [[], undefined, undefined])
  const [newest, ...others] = idsOf(whole.rejects.filter(({ code }) => code === 'SCHEMA_VIOLATION'))
  const last = await askJson<RejectPage>(ui, `${REJECTS}?code=SCHEMA_VIOLATION&after=${newest}`)
  assert.deepEqual([idsOf(last.rejects), last.previous, last.next], [others, others[0], undefined])
  const between = await askJson<RejectPage>(ui, `${REJECTS}?after=${ids[1]}&before=${ids[5]}`)
  assert.deepEqual([idsOf(between.rejects), between.previous, between.next], [ids.slice(2, 5), ids[2], ids[4]])
  const { id = '', record } = stored.find((one) => JSON.stringify(one).includes('onerror')) ?? {}
  const detail = await askJson<RejectDetail>(ui, `${REJECTS}/${id}`)
  assert.ok(Check(rejectDetail, detail))
  assert.deepEqual(JSON.parse(detail.lines.join('\n')), record)
  await assert.rejects(askJson(ui, `${REJECTS}/99-0`), /^Error: 404 [^]*not in the dead-letter queue any more/)
})

test('rejects are found by code, stage, time and text', async (t) => {
  const ui = await startUi(await openRejecting(t))
  const all = await askJson<RejectPage>(ui, REJECTS)
  const found = async (query: string): Promise<string[]> =>
    idsOf((await askJson<RejectPage>(ui, `${REJECTS}?${query}`)).rejects)
  const where = (isWanted: (row: RejectPage['rejects'][number]) => boolean): string[] =>
    all.rejects.filter(isWanted).map(({ id }) => id)
  assert.deepEqual(
    await found('code=INVALID_JSON'),
    where(({ code }) => code === 'INVALID_JSON'),
  )
  assert.deepEqual(
    await found('stage=validate'),
    where(({ stage }) => stage === 'validate'),
  )
  assert.deepEqual(await found('stage=validate&code=INVALID_JSON'), [])
  assert.deepEqual(
    await found('text=fINDable'),
    where(({ excerpt = '' }) => excerpt.includes('Findable')),
  )
  const [first = 0, second = 0] = [...new Set(all.rejects.map(({ rejectedAt = 0 }) => rejectedAt))].toReversed()
  assert.ok(Date.now() - first < 600_000 && second > first && first > 0)
  assert.deepEqual(
    await found(`until=${second}`),
    where(({ rejectedAt }) => rejectedAt === first),
  )
  assert.deepEqual(
    await found(`since=${second}`),
    where(({ rejectedAt }) => rejectedAt !== first),
  )
  const { matching, total } = await askJson<RejectPage>(ui, `${REJECTS}?code=INVALID_JSON&limit=1`)
  assert.deepEqual([matching, total], [1, 9])
})

test('a line that did not parse is sent only if that is asked for: nothing in it is redacted', async (t) => {
  const workspace = await openProject(t, {
    'in.ndjson': '{"id":1}\n{"password":"hunter2"\n{"id":2}\n',
    'pipelines/p.yaml':
      'source: { type: file, path: in.ndjson }\nrejects: { unparsed: keep }\nsink: { type: file, path: out }\n',
  })
  await workspace.report(['run', 'p'])
  const ui = await startUi(workspace)
  const page = await askJson<RejectPage>(ui, REJECTS)
  const [{ id }] = page.rejects
  const detail = await askJson<RejectDetail>(ui, `${REJECTS}/${id}`)
  assert.ok(!JSON.stringify([page, detail]).includes('hunter2'))
  assert.deepEqual([detail.hasLine, detail.lines], [true, []])
  const { unparsed } = await askJson<RejectDetail>(ui, `${REJECTS}/${id}?unparsed=true`)
  assert.deepEqual(unparsed, { text: '{"password":"hunter2"', isBase64: false })
})

test('what a replay would do is what it does', async (t) => {
  const workspace = await openRejecting(t)
  const ui = await startUi(workspace, ['--edit'])
  const { rejects } = await askJson<RejectPage>(ui, REJECTS)
  const idOf = (text: string): string => rejects.find(({ excerpt = '' }) => excerpt.startsWith(text))?.id ?? text
  const choice = {
    ids: [idOf('{"id":1}'), '77-0', ...rejects.filter(({ code }) => code === 'INVALID_JSON').map(({ id }) => id)],
    corrections: [
      { id: idOf('{"id":3,'), record: '{\n  "id": 3,\n  "name": "two  spaces",\n  "n": 1.10\n}' },
      { id: idOf('{"id":4,'), record: '{"id":2,"name":"written before"}' },
      { id: idOf('{"id":6}'), record: '{"id":6,"name":"unwanted"}' },
      { id: idOf('{"id":7}'), record: '{"id":3,"name":"the same key"}' },
    ],
  }
  const tried = await askJson<TryRejectsAnswer>(ui, `${REJECTS}/try`, choice)
  assert.ok(Check(tryAnswer, tried))
  assert.deepEqual(tried.totals, { written: 1, rejected: 1, duplicate: 2, dropped: 1, stays: 1, blocked: 0 })
  assert.deepEqual([tried.chosen, tried.knowsDuplicates], [6, true])
  const [written] = tried.outcomes.filter(({ outcome }) => outcome === 'written')
  assert.deepEqual(
    written.after[0].lines.join(''),
    '{  "id": 3,  "name": "two  spaces",  "n": 1.10,  "loud": "TWO  SPACES"}',
  )
  const [rejected] = tried.outcomes.filter(({ outcome }) => outcome === 'rejected')
  assert.deepEqual([rejected.rejections[0].code, rejected.rejections[0].stage], ['SCHEMA_VIOLATION', 'validate'])
  assert.equal((await askJson<RejectPage>(ui, REJECTS)).total, 9)

  const before = await published(workspace)
  const replayed = await askJson<ReplayAnswer>(ui, `${REJECTS}/replay`, choice)
  assert.ok(Check(replayAnswer, replayed))
  assert.deepEqual(replayed, {
    outcome: 'done',
    read: 5,
    written: 1,
    rejected: 1,
    duplicate: 2,
    dropped: 1,
    unpublished: 0,
  })
  const added = (await published(workspace)).filter((line) => !before.includes(line))
  assert.deepEqual(added, ['{"id":3,"name":"two  spaces","n":1.10,"loud":"TWO  SPACES"}'])
  assert.equal((await askJson<RejectPage>(ui, REJECTS)).total, 5)
})

test('a filter chooses all that it matches, and not what came later', async (t) => {
  const workspace = await openRejecting(t)
  const ui = await startUi(workspace, ['--edit'])
  await workspace.write('pipelines/s.json', '{}')
  const filter = { stage: 'validate' }
  const { upTo, totals } = await askJson<TryRejectsAnswer>(ui, `${REJECTS}/try`, { filter })
  assert.equal(totals.written, 8)
  await workspace.write('pipelines/s.json', '{"required":["name"]}')
  await workspace.write('in/d.ndjson', '{"id":20}\n')
  await workspace.report(['run', 'p'])
  await workspace.write('pipelines/s.json', '{}')
  const { written } = await askJson<ReplayAnswer>(ui, `${REJECTS}/replay`, { filter: { ...filter, upTo } })
  assert.equal(written, 8)
  const { rejects } = await askJson<RejectPage>(ui, REJECTS)
  assert.deepEqual(
    rejects.map(({ excerpt }) => excerpt),
    ['{"id":20}', undefined],
  )
})

test('a correction that is no record is refused with its place', async (t) => {
  const ui = await startUi(await openRejecting(t), ['--edit'])
  const { rejects } = await askJson<RejectPage>(ui, REJECTS)
  const [{ id }] = rejects
  for (const [record, mistake] of [
    ['{"id": 1,\n  "name": tru\n}', 'line 2, column 11: \\"tru\\" does not belong here'],
    ['{"id": 1', 'line 1, column 9: the end comes too early'],
    ['[1]', 'line 1, column 1: this is JSON, but no object'],
    ['{"id":1}\n{"id":2}', 'line 2, column 1: \\"{\\" does not belong here'],
    // What the page shows in place of a secret would replace it.
    ['{"id":1,"name":"***"}', 'stands for a secret'],
  ])
    for (const route of ['try', 'replay'])
      await assert.rejects(askJson(ui, `${REJECTS}/${route}`, { corrections: [{ id, record }] }), (error: Error) => {
        assert.ok(error.message.startsWith('422') && error.message.includes(mistake ?? ''), error.message)
        return true
      })
  const one = { id, record: '{}' }
  await assert.rejects(askJson(ui, `${REJECTS}/try`, { corrections: [one, one] }), /422 [^]*two corrections/)
})

test('nothing is replayed without --edit, or while a run owns the state', async (t) => {
  const readOnly = await startUi(await openRejecting(t))
  const [{ id }] = (await askJson<RejectPage>(readOnly, REJECTS)).rejects
  await assert.rejects(askJson(readOnly, `${REJECTS}/replay`, { ids: [id] }), /403 [^]*read-only[^]*--edit/)

  const { workspace, start } = await openWatched(t, '  - { type: validate, schema: s.json }\n')
  await workspace.write('pipelines/s.json', '{"properties":{"id":{"minimum":1}}}')
  await start()
  const ui = await startUi(workspace, ['--edit'])
  let page = await askJson<RejectPage>(ui, REJECTS)
  while (page.rejects.length === 0) page = await askJson(ui, REJECTS)
  const ids = [page.rejects[0].id]
  assert.equal((await askJson<TryRejectsAnswer>(ui, `${REJECTS}/try`, { ids })).totals.rejected, 1)
  await assert.rejects(askJson(ui, `${REJECTS}/replay`, { ids }), /409 [^]*STATE_IN_USE[^]*stop the run first/)
})

test('rejects that the pipeline cannot take any more are found before they are replayed', async (t) => {
  const workspace = await openRejecting(t)
  const ui = await startUi(workspace, ['--edit'])
  await workspace.write(
    'pipelines/p.yaml',
    'source: { type: file, path: in }\nsink: { type: file, path: out, key: all, compression: none }\n',
  )
  const { totals, outcomes } = await askJson<TryRejectsAnswer>(ui, `${REJECTS}/try`, { filter: {} })
  assert.deepEqual([totals.blocked, totals.stays], [8, 1])
  assert.ok(outcomes.some(({ why = '' }) => why.includes('no longer has a stage validate')))
  await assert.rejects(askJson(ui, `${REJECTS}/replay`, { filter: {} }), /409 [^]*STATE_MISMATCH/)
  assert.equal((await askJson<RejectPage>(ui, REJECTS)).total, 9)
})

test('a pipeline without a state has no rejects, and names of other files are no pipelines', async (t) => {
  const workspace = await openRejecting(t)
  await workspace.write('pipelines/new.yaml', 'source: { type: file, path: in }\nsink: { type: file, path: out }\n')
  const ui = await startUi(workspace)
  assert.equal((await askJson<RejectPage>(ui, '/pipelines/new/rejects')).total, 0)
  for (const name of ['none', '..%2fp', 'p.yaml', '%2e%2e'])
    await assert.rejects(askJson(ui, `/pipelines/${name}/rejects`), /^Error: 404/, name)
})

/** Rejects everything at first, and then takes its time. */
const SLOW = `import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
export default async (record) => {
  if (!existsSync('accept')) return record.reject('NOT_YET')
  await sleep(20)
  return record
}
`

test('the end of the page ends a replay after a clean commit, and leaves no records behind', async (t) => {
  const workspace = await openProject(t, {
    'slow.js': SLOW,
    'in.ndjson': Array.from({ length: 300 }, (_, id) => `{"id":${id}}\n`).join(''),
    'pipelines/p.yaml':
      'source: { type: file, path: in.ndjson }\ntransforms: [{ type: ../slow.js }]\nsink: { type: file, path: out, key: all, compression: none }\n',
    'temporary/.keep': '',
  })
  await workspace.report(['run', 'p'])
  await workspace.write('accept', '')
  const ui = await startUi(workspace, ['--edit'], { env: { TMPDIR: workspace.path('temporary') } })
  const replay = askJson(ui, `${REJECTS}/replay`, { filter: {} }).catch(() => undefined)
  await until(async () => {
    const [row] = (await askJson<{ pipelines: PipelineRow[] }>(ui, '/pipelines')).pipelines
    return row?.state === 'running' && (await readdir(workspace.path('temporary'))).length === 2
  })
  await assert.rejects(askJson(ui, `${REJECTS}/replay`, { filter: {} }), /409 [^]*being replayed already/)
  process.kill(ui.pid, 'SIGTERM')
  assert.equal((await ui.ended).code, 0)
  await replay
  // It owns the state no longer.
  const { code, stdout } = await workspace.sluice(['verify', 'p'])
  assert.equal(code, 0, stdout)
  const left = (await workspace.sluice(['rejects', 'show', 'p', '--json'])).stdout.split('\n').filter(Boolean)
  const written = existsSync(workspace.path('out/all')) ? await published(workspace) : []
  assert.equal(left.length + written.length, 300)
  assert.ok(left.length > 0, 'it was stopped')
  assert.deepEqual(await readdir(workspace.path('temporary')), ['.keep'])
})
