import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
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
    const reader = fork(codeFile('test/support/state-poller.ts'), [state], { execArgv: [] })
    const read = once(reader, 'exit')
    await once(reader, 'message')
    const run = await workspace.start(['run', name]).ended
    assert.equal(run.code, 0, run.stderr)
    const first = await read
    // "Another process is opening or closing it: try again."
    const again = () => once(fork(codeFile('test/support/state-poller.ts'), [state], { execArgv: [] }), 'exit')
    assert.deepEqual(first[0] === 3 ? await again() : first, [0, null])
  }
})
