import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SCALE } from '../../support/scale.ts'
import { compareEngines } from './compare-engines.ts'

/** A run is about 60 cases. */
const RUNS = 1800
/** Each block has its own seed, so that a failure is repeated without the blocks before it. */
const BLOCKS = Math.round(SCALE)
const SEED = Number(process.env['CRASH_SEED'] ?? 1)

test('gives the same results in WebAssembly, TypeScript and a model of JSON.parse for 100,000 random cases', async () => {
  for (let block = 0; block < BLOCKS; block++) {
    const cases = await compareEngines({ seed: SEED + block, runs: RUNS })
    assert.ok(cases >= 100_000, `${cases} cases`)
  }
})
