import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareEngines } from './run.ts'

/** A run is about 60 cases. Always the same ones; `run.ts` takes others. */
const RUNS = 1800

test('both engines and a model of JSON.parse agree on 100,000 random cases', async () => {
  const cases = await compareEngines({ seed: 1, runs: RUNS })
  assert.ok(cases >= 100_000, `${cases} cases`)
})
