import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { after, describe, test } from 'node:test'
import { seededRandom, THOROUGH } from './support/seed.ts'
import type { Loss } from './simulation/disk.ts'
import { chains, crashes, findDefect, findFailure, measure, sampled, shuffle } from './simulation/explore.ts'
import { plantedShardDefects } from './simulation/planted-shard-defects.ts'
import { archives, damagedArchive, lineShards, routedArchives, stagedArchives } from './simulation/shard-workload.ts'
import { stateFolder } from './simulation/world.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { scaled } from '../../support/scale.ts'

const { seed } = seededRandom('crash points of shards')
const LOSSES: readonly Loss[] = THOROUGH ? ['kept', 'lost', 'randomly lost'] : ['randomly lost']
const WORKLOADS = [archives, stagedArchives, routedArchives, damagedArchive, lineShards]
/** Of a quick test: each workload has several hundred crash points. */
const POINTS = THOROUGH ? Infinity : scaled(30)
const CHAINS = scaled(15)

const base = await temporaryFolder({ after })
await mkdir(stateFolder(base))

for (const workload of WORKLOADS) {
  describe(workload.name, () => {
    const options = { workload, folder: stateFolder(base) }

    test('have the expected outcome when workers die, results come late or twice, and shards fail', async () => {
      const { problems, operations } = await measure(options)
      assert.deepEqual(problems, [])
      assert.ok(operations[0].length > 60, `${operations[0].length} operations`)
    })

    for (const loss of LOSSES) {
      test(`have the same outcome when the coordinator dies before or after an operation, with unsynced data ${loss}`, async () => {
        const { operations } = await measure(options)
        const plans = shuffle([...crashes(operations[0].length, loss, seed)], seed).slice(0, POINTS)
        assert.equal(await findFailure(options, sampled(plans, seed)), undefined)
      })
    }

    test('have the same outcome when recoveries crash, too', async () => {
      const { operations } = await measure(options)
      assert.equal(await findFailure(options, sampled(chains(CHAINS, operations[0].length, seed), seed)), undefined)
    })
  })
}

describe('the simulation of shards', () => {
  for (const defect of sampled(plantedShardDefects, seed)) {
    test(`finds the defect: ${defect.name}`, async (t) => {
      const found = await findDefect({ defect, folder: stateFolder(base), seed }, WORKLOADS)
      assert.ok(found, 'the defect was not found')
      t.diagnostic(`${found.plan}: ${found.problems[0]}`)
    })
  }
})
