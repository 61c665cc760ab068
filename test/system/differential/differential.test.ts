import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareEngines } from './run.ts'

/** A run is about 60 cases. This test always runs the same cases; `run.ts` takes other seeds. */
const RUNS = 1800

test('gives the same results in WebAssembly, TypeScript and a model of JSON.parse for 100,000 random cases', async () => {
  const cases = await compareEngines({ seed: 1, runs: RUNS })
  assert.ok(cases >= 100_000, `${cases} cases`)
})
