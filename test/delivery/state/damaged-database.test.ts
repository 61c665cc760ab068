import assert from 'node:assert/strict'
import { readFile, truncate, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { openProject } from '../../support/cli-project.ts'

const FILES = {
  'in.ndjson': '{"id":1}\n',
  'pipelines/p.yaml': 'source: { type: file, path: in.ndjson }\nsink: { type: file, path: out }\n',
}

for (const [name, damage, why] of [
  ['is no LMDB file', (path: string) => writeFile(path, 'x'.repeat(10_000)), /it is not a database/],
  ['is empty', (path: string) => truncate(path, 0), /it is not a database/],
  ['is truncated', (path: string) => truncate(path, 20_000), /it has 20000 of \d+ bytes/],
  [
    'has lost its first page',
    async (path: string) => writeFile(path, (await readFile(path)).fill(0, 0, 4096)),
    /it is not a database/,
  ],
] as const)
  test(`a database that ${name} is refused, and crashes no command`, async (t) => {
    const workspace = await openProject(t, FILES)
    assert.equal((await workspace.sluice(['run', 'p'])).code, 0)
    await damage(workspace.path('.sluice/p/state/data.mdb'))
    for (const command of [
      ['run', 'p'],
      ['state', 'show', 'p'],
      ['verify', 'p'],
      ['rejects', 'show', 'p'],
    ]) {
      const { code, stderr } = await workspace.start(command).ended
      assert.equal(code, 6, `${command.join(' ')}: ${stderr}`)
      assert.match(stderr, /STATE_DAMAGED: [^]*data\.mdb/)
      assert.match(stderr, why)
    }
  })
