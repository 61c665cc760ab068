import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { openWorkspace } from '../support/command.ts'
import { codeFile } from '../support/paths.ts'

test('a state that is just being created can be read, or does not exist yet', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('in.ndjson', '{"id":1}\n')
  for (let at = 0; at < 6; at++) {
    const name = `p${at}`
    const pipeline = 'source: { type: file, path: in.ndjson }\nsink: { type: file, path: out }\n'
    await workspace.write(`pipelines/${name}.yaml`, pipeline)
    const state = workspace.path(`.sluice/${name}`)
    const reader = poll(state, 50)
    const read = once(reader, 'exit')
    await once(reader, 'message')
    const run = await workspace.start(['run', name]).ended
    assert.equal(run.code, 0, run.stderr)
    assert.deepEqual(await read, [0, null])
  }
})

test('runs begin and end while others read the state, and nobody is refused', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('in.ndjson', '{"id":1}\n')
  const pipeline = 'source: { type: file, path: in.ndjson }\nsink: { type: file, path: out }\n'
  await workspace.write('pipelines/p.yaml', pipeline)
  const readers = Array.from({ length: 3 }, () => once(poll(workspace.path('.sluice/p'), 500), 'exit'))
  for (let runs = 0; runs < 6; runs++) {
    const { code, stderr } = await workspace.start(['run', 'p']).ended
    assert.equal(code, 0, stderr)
  }
  assert.deepEqual(
    await Promise.all(readers),
    Array.from(readers, () => [0, null]),
  )
})

function poll(state: string, times: number): ChildProcess {
  return fork(codeFile('test/support/state-poller.ts'), [state, String(times)], { execArgv: [] })
}
