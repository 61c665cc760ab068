import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { after, describe, test } from 'node:test'
import { seededRandom, THOROUGH } from './support/seed.ts'
import type { Loss } from './simulation/disk.ts'
import {
  chains,
  crashes,
  findDefect,
  findFailure,
  measure,
  pairs,
  sampled,
  shuffle,
  simulate,
} from './simulation/explore.ts'
import { correctingRejects } from './simulation/correct-rejects.ts'
import { plantedDefects } from './simulation/planted-defects.ts'
import { lines, pages, pagesApart, redirected, routed } from './simulation/workload.ts'
import type { Workload } from './simulation/workload.ts'
import { stateFolder } from './simulation/world.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { scaled } from '../../support/scale.ts'

const { seed } = seededRandom('crash points')
const LOSSES: readonly Loss[] = THOROUGH ? ['kept', 'lost', 'randomly lost'] : ['randomly lost']
const CHAINS = scaled(60)
const WORKLOADS: readonly Workload[] = [pages, pagesApart, lines, routed]
const REPLAYS: readonly Workload[] = [correctingRejects(pages), correctingRejects(lines)]
/** Number of operations until a new state is open. */
const OPENING = 16
/** Workloads for which every crash point is tested. */
const EXHAUSTED = THOROUGH ? [...WORKLOADS, redirected] : [pages, lines, routed, redirected]

const base = await temporaryFolder({ after })
await mkdir(stateFolder(base))

for (const workload of [...WORKLOADS, redirected]) {
  describe(workload.name, () => {
    test('have the expected outcome without a crash, after a failure of the source', async () => {
      const { problems, operations } = await measure({ workload, folder: stateFolder(base) })
      assert.deepEqual(problems, [])
      assert.equal(operations.length, 2)
      assert.ok(operations[0].length > 60, `${operations[0].length} operations`)
    })

    for (const loss of EXHAUSTED.includes(workload) ? LOSSES : []) {
      test(`have the same outcome after a crash before or after any operation, with unsynced data ${loss}`, async () => {
        const options = { workload, folder: stateFolder(base) }
        const { operations } = await measure(options)
        assert.equal(await findFailure(options, sampled(crashes(operations[0].length, loss, seed), seed)), undefined)
      })
    }

    test('have the same outcome when the process is killed during its start and the power fails soon after', async () => {
      const options = { workload, folder: stateFolder(base) }
      assert.equal(await findFailure(options, pairs(OPENING, THOROUGH ? 60 : 0, seed)), undefined)
      assert.equal(
        await findFailure(options, sampled(shuffle([...pairs(OPENING, 60, seed)], seed).slice(0, CHAINS), seed)),
        undefined,
      )
    })

    test('have the same outcome when recoveries crash, too', async () => {
      const options = { workload, folder: stateFolder(base) }
      const { operations } = await measure(options)
      assert.equal(await findFailure(options, sampled(chains(CHAINS, operations[0].length, seed), seed)), undefined)
    })
  })
}

for (const workload of REPLAYS) {
  describe(workload.name, () => {
    test('have the expected outcome without a crash', async () => {
      const { problems, operations } = await measure({ workload, folder: stateFolder(base) })
      assert.deepEqual(problems, [])
      assert.equal(operations.length, 1)
      assert.ok(operations[0].length > 40, `${operations[0].length} operations`)
    })

    for (const loss of LOSSES) {
      test(`have the same outcome after a crash before or after any operation, with unsynced data ${loss}`, async () => {
        const options = { workload, folder: stateFolder(base) }
        const { operations } = await measure(options)
        assert.equal(await findFailure(options, sampled(crashes(operations[0].length, loss, seed), seed)), undefined)
      })
    }

    test('have the same outcome when recoveries crash, too', async () => {
      const options = { workload, folder: stateFolder(base) }
      const { operations } = await measure(options)
      assert.equal(await findFailure(options, sampled(chains(CHAINS, operations[0].length, seed), seed)), undefined)
    })
  })
}

describe('the simulation', () => {
  test('crashes at the planned operation and nowhere else', async () => {
    const options = { workload: pages, folder: stateFolder(base) }
    const { operations: expected } = await measure(options)
    for (const when of ['before', 'after'] as const) {
      const { operations } = await simulate(options, { crashes: [{ operation: 50, when, loss: 'lost' }], seed })
      assert.deepEqual(operations[0], expected[0].slice(0, 50))
      assert.ok(operations.length >= 2)
    }
  })

  for (const defect of sampled(plantedDefects, seed)) {
    test(`finds the defect: ${defect.name}`, async (t) => {
      const found = await findDefect({ defect, folder: stateFolder(base), seed }, [...WORKLOADS, ...REPLAYS])
      assert.ok(found, 'the defect was not found')
      t.diagnostic(`${found.plan}: ${found.problems[0]}`)
    })
  }
})
