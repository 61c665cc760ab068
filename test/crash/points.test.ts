import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { luck, THOROUGH } from './seed.ts'
import type { Loss } from './simulation/disk.ts'
import { chains, crashes, findBad, measure, pairs, shuffle, tell } from './simulation/explore.ts'
import type { Story } from './simulation/explore.ts'
import { mending } from './simulation/correct-rejects.ts'
import { plants } from './simulation/planted-defects.ts'
import { lines, pages, pagesApart } from './simulation/workload.ts'
import type { Workload } from './simulation/workload.ts'
import { stateFolder } from './simulation/world.ts'
import type { Plant } from './simulation/world.ts'

const { seed } = luck('crash points')
const LOSSES: readonly Loss[] = THOROUGH ? ['all stay', 'none stays', 'by chance'] : ['by chance']
const CHAINS = THOROUGH ? 1000 : 60
const WORKLOADS: readonly Workload[] = [pages, pagesApart, lines]
const MENDED: readonly Workload[] = [mending(pages), mending(lines)]
/** Operations until a new state is open. */
const OPENING = 16
/** Workloads of which every crash point is tried. */
const EXHAUSTED = THOROUGH ? WORKLOADS : [pages, lines]

let base = ''
before(async () => {
  base = await mkdtemp(join(tmpdir(), 'sluice-crash-'))
  await mkdir(stateFolder(base))
})
after(() => rm(base, { recursive: true, force: true }))

for (const workload of WORKLOADS) {
  describe(workload.name, () => {
    test('end as expected when nothing crashes, behind a failure of the source', async () => {
      const { problems, operations } = await measure({ workload, folder: stateFolder(base) })
      assert.deepEqual(problems, [])
      assert.equal(operations.length, 2)
      assert.ok(operations[0].length > 60, `${operations[0].length} operations`)
    })

    for (const loss of EXHAUSTED.includes(workload) ? LOSSES : []) {
      test(`end the same with a crash before and after any operation, when of what is not synced ${loss}`, async () => {
        const options = { workload, folder: stateFolder(base) }
        const { operations } = await measure(options)
        assert.equal(await findBad(options, crashes(operations[0].length, loss, seed)), undefined)
      })
    }

    test('end the same when the process is killed as it begins, and the power fails soon behind its recovery', async () => {
      const options = { workload, folder: stateFolder(base) }
      assert.equal(await findBad(options, pairs(OPENING, THOROUGH ? 60 : 0, seed)), undefined)
      assert.equal(await findBad(options, shuffle([...pairs(OPENING, 60, seed)], seed).slice(0, CHAINS)), undefined)
    })

    test('end the same with crashes of the recoveries, too', async () => {
      const options = { workload, folder: stateFolder(base) }
      const { operations } = await measure(options)
      assert.equal(await findBad(options, chains(CHAINS, operations[0].length, seed)), undefined)
    })
  })
}

for (const workload of MENDED) {
  describe(workload.name, () => {
    test('end as expected when nothing crashes', async () => {
      const { problems, operations } = await measure({ workload, folder: stateFolder(base) })
      assert.deepEqual(problems, [])
      assert.equal(operations.length, 1)
      assert.ok(operations[0].length > 40, `${operations[0].length} operations`)
    })

    for (const loss of LOSSES) {
      test(`end the same with a crash before and after any operation, when of what is not synced ${loss}`, async () => {
        const options = { workload, folder: stateFolder(base) }
        const { operations } = await measure(options)
        assert.equal(await findBad(options, crashes(operations[0].length, loss, seed)), undefined)
      })
    }

    test('end the same with crashes of the recoveries, too', async () => {
      const options = { workload, folder: stateFolder(base) }
      const { operations } = await measure(options)
      assert.equal(await findBad(options, chains(CHAINS, operations[0].length, seed)), undefined)
    })
  })
}

describe('the simulation', () => {
  test('crashes where it is told to, and not elsewhere', async () => {
    const options = { workload: pages, folder: stateFolder(base) }
    const { operations: undisturbed } = await measure(options)
    for (const when of ['before', 'after'] as const) {
      const { operations } = await tell(options, { crashes: [{ operation: 50, when, loss: 'none stays' }], seed })
      assert.deepEqual(operations[0], undisturbed[0].slice(0, 50))
      assert.ok(operations.length >= 2)
    }
  })

  for (const plant of plants) {
    test(`finds out when ${plant.name}`, async (t) => {
      const found = await findPlanted(plant)
      assert.ok(found, 'the bug was not found')
      t.diagnostic(`${found.story}: ${found.problems[0]}`)
    })
  }
})

async function findPlanted(plant: Plant) {
  const stories: { workload: Workload; story: Story }[] = []
  for (const workload of [...WORKLOADS, ...MENDED]) {
    const { problems, operations } = await measure({ workload, folder: stateFolder(base), plant })
    if (problems.length > 0) return { story: `${workload.name}, no crash`, problems }
    for (const loss of ['none stays', 'by chance'] as const) {
      for (const story of crashes(operations[0].length, loss, seed)) stories.push({ workload, story })
    }
  }
  for (const { workload, story } of shuffle(stories, seed)) {
    const found = await findBad({ workload, folder: stateFolder(base), plant }, [story])
    if (found) return { ...found, story: `${workload.name}, ${found.story}` }
  }
  return undefined
}
