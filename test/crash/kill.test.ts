import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { openWorkspace } from '../support/command.ts'
import type { RunningCommand } from '../support/command.ts'
import { verify, writeJob } from './job.ts'
import { luck, THOROUGH } from './seed.ts'
import type { Random } from './random.ts'
import { createRandom } from './random.ts'
import { startServers } from './servers.ts'
import type { Servers } from './servers.ts'

const { seed } = luck('kills')
const ROUNDS = Number(process.env['CRASH_KILLS'] ?? (THOROUGH ? 200 : 10))
/** Jobs side by side. */
const LANES = ROUNDS > 10 ? 2 : 1
const MOST_KILLS = 14

describe('a process that is killed', () => {
  test(`${ROUNDS} times, at any moment, leaves every event in one place`, async (t) => {
    const rounds = { done: 0 }
    const lanes = Array.from({ length: LANES }, (_, lane) => killJobs(t, createRandom(seed + lane), rounds))
    const jobs = (await Promise.all(lanes)).reduce((sum, count) => sum + count)
    t.diagnostic(`${rounds.done} kills of a living process in ${jobs} jobs`)
    assert.ok(rounds.done >= ROUNDS)
  })
})

/** Jobs one behind the other until there were rounds enough. A round is a process that lived when it was killed. */
async function killJobs(t: TestContext, random: Random, rounds: { done: number }): Promise<number> {
  let jobs = 0
  while (rounds.done < ROUNDS) {
    const workspace = await openWorkspace(t)
    await writeJob(workspace)
    const servers = await startServers(t, { seed: random.below(2 ** 31), events: 6000 })
    const start = (): RunningCommand => workspace.start(['run', 'events'], { env: servers.environment })
    let isDone = false
    for (let kills = 0; kills < MOST_KILLS && rounds.done < ROUNDS && !isDone; kills++) {
      const running = start()
      const ended = running.ended.then(() => 'ended')
      isDone = (await Promise.race([ended, momentOf(random, servers)])) === 'ended'
      running.kill('SIGKILL')
      const { code, stderr } = await running.ended
      assert.ok(code === null || code === 0, stderr)
      // It may have come to its end while it was being killed.
      if (code === null) rounds.done++
      isDone = code === 0
    }
    const { code, stderr } = await start().ended
    assert.equal(code, 0, stderr)
    await verify(workspace, servers)
    jobs++
  }
  return jobs
}

/** Some time behind the start, or when a request comes, or a little later. */
async function momentOf(random: Random, servers: Servers): Promise<void> {
  if (random.chance(0.15)) return sleep(random.below(700))
  await servers.reached(servers.requests + 1 + random.below(30))
  if (random.chance(0.7)) await sleep(random.below(40))
}
