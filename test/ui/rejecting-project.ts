import { readdir, readFile } from 'node:fs/promises'
import type { TestContext } from 'node:test'
import { openProject } from '../support/cli-project.ts'
import type { Workspace } from '../support/command.ts'

/** What an attacker would write. */
export const CANARY = `<img src=x onerror=alert(1)><script>alert(2)</script>"'\u202e\u001b[31m https://evil.example/`

const PIPELINE = `source: { type: file, path: 'in/*.ndjson' }
transforms:
  - { type: validate, schema: s.json }
  - { type: dedup, key: [id] }
  - { type: filter, where: '!has(record.name) || record.name != "unwanted"' }
  - { type: compute, members: [{ path: loud, value: 'has(record.name) ? record.name.upperAscii() : "none"' }] }
sink: { type: file, path: out, key: all, compression: none }
`

/** A pipeline `p` whose records need a `name`: of 12 records 9 are rejected, in three epochs. */
export async function openRejecting(t: TestContext): Promise<Workspace> {
  const workspace = await openProject(t, {
    'pipelines/p.yaml': PIPELINE,
    'pipelines/s.json': '{"required":["name"]}',
  })
  for (const [file, records] of [
    ['a', [{ id: 1 }, { id: 2, name: 'good' }, { id: 3, note: 'Findable' }]],
    ['b', [{ id: 4, note: CANARY }, { id: 5, name: 'good' }, { id: 6 }, { id: 7 }]],
    ['c', [{ id: 8, big: '9007199254740993' }, { id: 9 }, { id: 10, name: 'good' }]],
  ] as const) {
    const lines = records.map((record) => `${JSON.stringify(record)}\n`)
    await workspace.write(`in/${file}.ndjson`, `${lines.join('')}${file === 'c' ? '{"id":11,\n{"id":12}\n' : ''}`)
    await workspace.report(['run', 'p'])
  }
  return workspace
}

/** The records that are published. */
export async function published(workspace: Workspace): Promise<string[]> {
  const names = await readdir(workspace.path('out/all'))
  const texts = await Promise.all(names.map((name) => readFile(workspace.path('out/all', name), 'utf8')))
  return texts.flatMap((text) => text.split('\n').filter(Boolean))
}
