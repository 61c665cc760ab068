import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openProject } from '../support/cli-project.ts'

const PIPELINE = 'source: { type: file, path: in.ndjson }\nsink: { type: stdout }\n'

test('what follows -- is an argument of the command, also if it begins with a dash', async (t) => {
  const work = await openProject(t, {
    'pipelines/p.yaml': PIPELINE,
    'pipelines/broken.yaml': 'x',
    'pipelines/-dash.yaml': PIPELINE,
    'in.ndjson': '{"id":1}\n',
    '-in.ndjson': '{"id":2}\n',
  })
  // Only p: without it, check would take all pipelines.
  assert.match((await work.sluice(['check', '--', 'p'])).stdout, /^pipelines\/p\.yaml: ok$/m)
  assert.equal((await work.sluice(['check', '--', 'p'])).code, 0)
  assert.equal((await work.sluice(['run', '--no-env-file', '--', 'p'])).stdout, '{"id":1}\n')
  assert.match((await work.sluice(['preview', 'p', '--', '-in.ndjson'])).stdout, /"id": 2/)
  assert.match((await work.sluice(['run', '--', '-dash'])).stderr, /"-dash" is not a valid pipeline name/)
  const made = await work.sluice(['init', '--', 'new'])
  assert.match(made.stdout, /^new\/package\.json$/m)
  const piped = await work.sluice(['preview', 'p', '--', '-'], { input: '{"id":3}\n' })
  assert.match(piped.stdout, /"id": 3/)
})

test('a mistake in the command line is one line', async (t) => {
  const work = await openProject(t, {})
  const choice = await work.sluice(['new', 'sink', 'x'])
  assert.match(choice.stderr, /USAGE: Invalid values: Argument: kind, Given: "sink", Choices: "pipeline", /)
  const both = await work.sluice(['list', '--no-env-file', '--env-file', '.env'])
  assert.equal(both.code, 2)
  assert.match(both.stderr, /USAGE: --env-file and --no-env-file exclude each other\n {2}leave one of them out/)
})
