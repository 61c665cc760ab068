import assert from 'node:assert/strict'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { readLocalRejects } from '../../../src/delivery/rejects/local-rejects-reader.ts'
import { partsOf } from '../../../src/delivery/rejects/reject-numbers.ts'
import { readState } from '../../../src/delivery/state/state-reader.ts'
import { openWorkspace } from '../../support/command.ts'
import type { Workspace } from '../../support/command.ts'

const PIPELINE = `source: { type: file, path: 'in/*.ndjson' }
transforms: [{ type: validate, schema: s.json }, { type: dedup, key: [id] }]
rejects: { local: LOCAL }
sink: { type: file, path: out, key: all, compression: none, roll: { maxRecords: 1 } }
`

/** A pipeline that commits after each file, and rejects one of its two records. */
async function openRejecting(t: TestContext, local = '1GiB') {
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/p.yaml', PIPELINE.replace('LOCAL', local))
  await workspace.write('pipelines/s.json', '{"required":["name"]}')
  let files = 0
  const run = async (count: number, id = (file: number) => `${file}`) => {
    for (const end = files + count; files < end; files++) {
      const name = String(files).padStart(5, '0')
      await workspace.write(`in/${name}.ndjson`, `{"id":"bad ${id(files)}"}\n{"id":"${files}","name":"good"}\n`)
    }
    return workspace.report(['run', 'p'])
  }
  return { workspace, run, folder: workspace.path('.sluice/p') }
}

async function idsOf(folder: string): Promise<string[]> {
  const ids: string[] = []
  for await (const { json } of (await readLocalRejects(folder)).rejects) ids.push(JSON.parse(json).record.id)
  return ids
}

const badIds = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, at) => `bad ${from + at}`)

async function verify(workspace: Workspace): Promise<void> {
  const { code, stdout } = await workspace.sluice(['verify', 'p'])
  assert.equal(code, 0, stdout)
}

describe('small files of rejects', () => {
  test('are merged while a pipeline runs, and keep their order and ids', async (t) => {
    const { workspace, run, folder } = await openRejecting(t)
    assert.equal((await run(60)).rejected, 60)
    assert.equal((await readdir(join(folder, 'rejects'))).length, 60)
    const before = (await workspace.sluice(['rejects', 'show', 'p', '--json'])).stdout
    await run(20)
    const files = await readdir(join(folder, 'rejects'))
    assert.ok(files.length < 64, `${files.length} files`)
    assert.deepEqual(await idsOf(folder), badIds(0, 80))
    const after = (await workspace.sluice(['rejects', 'show', 'p', '--json'])).stdout
    assert.ok(after.startsWith(before))
    await verify(workspace)
  })

  test('keep their marks when some of their rejects are replayed, before and after they are merged', async (t) => {
    const { workspace, run, folder } = await openRejecting(t)
    await run(40)
    const correct = async (ids: readonly string[]): Promise<void> => {
      const lines = (await workspace.sluice(['rejects', 'show', 'p', '--json'])).stdout.split('\n').filter(Boolean)
      const chosen = lines.filter((line) => ids.includes(JSON.parse(line).record.id))
      const file = await workspace.write(
        'c.ndjson',
        chosen.map((line) => line.replace('{"id":"bad', '{"name":"x","id":"bad')).join('\n'),
      )
      assert.equal((await workspace.report(['rejects', 'replay', 'p', '--file', file])).written, ids.length)
    }
    await correct(['bad 3', 'bad 17'])
    await run(30)
    const left = badIds(0, 70).filter((id) => id !== 'bad 3' && id !== 'bad 17')
    assert.deepEqual(await idsOf(folder), left)
    await correct(['bad 5', 'bad 63', 'bad 69'])
    const rest = left.filter((id) => !['bad 5', 'bad 63', 'bad 69'].includes(id))
    assert.deepEqual(await idsOf(folder), rest)
    await run(10)
    assert.deepEqual(await idsOf(folder), [...rest, ...badIds(70, 80)])
    await verify(workspace)
    await workspace.write('pipelines/s.json', '{}')
    assert.equal((await workspace.report(['rejects', 'replay', 'p'])).written, rest.length + 10)
    assert.deepEqual(await readdir(join(folder, 'rejects')), [])
    await verify(workspace)
  })

  test('keep the moments of their commits', async (t) => {
    const { run, folder } = await openRejecting(t)
    const times = async () =>
      readState(folder, (state) =>
        state
          .localRejects()
          .flatMap(partsOf)
          .map(({ committedAt }) => committedAt),
      )
    await run(60)
    const before = await times()
    assert.ok(before.every((at) => at !== undefined && at <= Date.now()))
    await run(10)
    const after = await times()
    assert.deepEqual([after.length, after.slice(0, 60)], [70, before])
  })

  test('are read to their end by a process that has read their rows before they were merged', async (t) => {
    const { run, folder } = await openRejecting(t)
    await run(60)
    const { rejects } = await readLocalRejects(folder)
    const read: string[] = []
    for await (const { json } of rejects) {
      // The first file is open, the others are gone afterwards.
      if (read.length === 10) await run(10)
      read.push(JSON.parse(json).record.id)
    }
    assert.deepEqual([read.slice(0, 60), new Set(read).size], [badIds(0, 60), read.length])
  })

  test('stay within the budget, of which a merged file takes a small part', async (t) => {
    const { workspace, run, folder } = await openRejecting(t, '64KiB')
    const name = 'x'.repeat(600)
    const { rejected } = await run(150, (file) => `${file} ${name}`)
    assert.equal(rejected, 150)
    const rows = await readState(folder, (state) => state.localRejects())
    assert.ok(rows.some(({ parts = [] }) => parts.length > 1))
    const sizes = rows.map(({ bytes }) => bytes)
    assert.ok(Math.max(...sizes) <= (64 << 10) / 8, `${Math.max(...sizes)} bytes`)
    assert.ok(sizes.reduce((sum, bytes) => sum + bytes, 0) <= 64 << 10)
    assert.ok(sizes.reduce((sum, bytes) => sum + bytes, 0) > (64 << 10) * 0.75)
    await verify(workspace)
  })

  test('are not merged when one of them is damaged, and the run continues', async (t) => {
    const { workspace, run, folder } = await openRejecting(t)
    await run(50)
    const [first, second] = await readdir(join(folder, 'rejects'))
    const path = join(folder, 'rejects', first)
    await writeFile(path, (await readFile(path, 'utf8')).replace('bad', 'BAD'))
    assert.equal((await run(20)).written, 20)
    assert.equal((await readdir(join(folder, 'rejects'))).length, 70)
    const { code, stdout } = await workspace.sluice(['verify', 'p'])
    assert.equal(code, 6, stdout)
    assert.match(stdout, new RegExp(first))
    await rm(join(folder, 'rejects', second))
    assert.deepEqual(await idsOf(folder), ['BAD 0', ...badIds(2, 70)])
  })
})
