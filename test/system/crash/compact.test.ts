import assert from 'node:assert/strict'
import { cp, rm, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { openWorkspace } from '../../support/command.ts'
import { codeFile } from '../../support/paths.ts'

const KILLER = codeFile('test/system/crash/support/kill-at.ts')

const PIPELINE = `source: { type: file, path: 'in/*.ndjson' }
transforms: [{ type: validate, schema: s.json }, { type: dedup, key: [id] }]
sink: { type: file, path: out, key: all, compression: none, roll: { maxRecords: 1 } }
`

describe('sluice state compact', () => {
  test('leaves a complete state when it is killed before any of its operations', async (t) => {
    const workspace = await openWorkspace(t)
    await workspace.write('pipelines/p.yaml', PIPELINE)
    await workspace.write('pipelines/s.json', '{"required":["name"]}')
    for (const name of ['a', 'b', 'c']) {
      await workspace.write(
        `in/${name}.ndjson`,
        `{"id":"bad ${name}"}\n{"id":"worse ${name}"}\n{"id":"${name}","name":"x"}\n`,
      )
    }
    await workspace.report(['run', 'p'])
    const sluice = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await workspace.sluice(args)
      assert.equal(code, 0, stderr + stdout)
      return stdout
    }
    const [first] = (await sluice('rejects', 'show', 'p', '--json')).split('\n')
    await workspace.write('c.ndjson', first.replace('{"id":"bad', '{"name":"y","id":"bad'))
    await workspace.report(['rejects', 'replay', 'p', '--file', 'c.ndjson'])
    await writeFile(workspace.path('.sluice/p/outbox/left'), 'x')
    const facts = async (): Promise<object> => {
      const { changes: _changes, ...shown } = JSON.parse(await sluice('state', 'show', 'p', '--json'))
      return { shown, rejects: await sluice('rejects', 'show', 'p', '--json') }
    }
    const wanted = await facts()
    const [folder, saved] = [workspace.path('.sluice'), workspace.path('saved')]
    await cp(folder, saved, { recursive: true })

    const operations = await killEverywhere(async (at) => {
      await rm(folder, { recursive: true })
      await cp(saved, folder, { recursive: true })
      const { ended } = workspace.start(['state', 'compact', 'p', '--keep', '0s'], {
        node: ['--import', KILLER],
        env: { KILL_AT: String(at) },
      })
      const { code, stderr } = await ended
      if (code !== null) assert.equal(code, 0, stderr)
      assert.deepEqual(await facts(), wanted, `killed before operation ${at}`)
      if (code === null) await sluice('state', 'compact', 'p', '--keep', '0s')
      // Also opens all that is there.
      assert.equal((await workspace.report(['run', 'p'])).read, 0)
      return code !== null
    })
    t.diagnostic(`${operations} operations`)
    assert.deepEqual(await facts(), wanted)
    await sluice('verify', 'p')
    assert.ok(operations >= 12, `${operations} operations`)
  })
})

/** Calls it with 1, 2 and so on until it was not killed. Returns the number of operations. */
async function killEverywhere(killAt: (at: number) => Promise<boolean>): Promise<number> {
  for (let at = 1; ; at++) if (await killAt(at)) return at - 1
}
