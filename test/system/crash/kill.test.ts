import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { openWorkspace } from '../../support/command.ts'
import type { RunningCommand, Workspace } from '../../support/command.ts'
import { verify, verifyRouted, writeJob, writeRoutedJob } from './support/job.ts'
import { seededRandom } from './support/seed.ts'
import type { Random } from './support/random.ts'
import { createRandom } from './support/random.ts'
import { startServers } from './support/servers.ts'
import type { Servers } from './support/servers.ts'
import { codeFile } from '../../support/paths.ts'
import { scaled } from '../../support/scale.ts'

const { seed } = seededRandom('kills')
const ROUNDS = scaled(10)
/** Number of jobs that run at the same time. */
const LANES = ROUNDS > 10 ? 2 : 1
const MAX_KILLS = 14

describe('a process that is killed', () => {
  const written = { write: writeJob, verify }
  const jobs: readonly [title: string, job: KilledJob][] = [
    ['exactly once, with a pipeline file', written],
    [
      'exactly once, with a pipeline wired in code',
      { ...written, program: codeFile('test/system/crash/support/wired-job.ts') },
    ],
    ['once to exactly its sinks, of three', { write: writeRoutedJob, verify: verifyRouted }],
  ]
  for (const [title, job] of jobs) {
    test(`${ROUNDS} times, at random moments, writes every event ${title}`, async (t) => {
      const rounds = { done: 0 }
      const lanes = Array.from({ length: LANES }, (_, lane) => killJobs(t, createRandom(seed + lane), rounds, job))
      const done = (await Promise.all(lanes)).reduce((sum, count) => sum + count)
      t.diagnostic(`${rounds.done} kills of a living process in ${done} jobs`)
      assert.ok(rounds.done >= ROUNDS)
    })
  }
})

interface KilledJob {
  readonly write: (workspace: Workspace) => Promise<void>
  readonly verify: (workspace: Workspace, servers: Servers) => Promise<unknown>
  /** Default: the command. */
  readonly program?: string
}

/**
 * Runs jobs one after the other until all rounds are done. A round is a process that was alive when
 * it was killed.
 */
async function killJobs(
  t: TestContext,
  random: Random,
  rounds: { done: number },
  { program, write, verify: check }: KilledJob,
): Promise<number> {
  let jobs = 0
  while (rounds.done < ROUNDS) {
    const workspace = await openWorkspace(t)
    await write(workspace)
    const servers = await startServers(t, { seed: random.below(2 ** 31), events: 6000 })
    const options = { env: servers.environment, ...(program !== undefined && { program }) }
    const start = (): RunningCommand => workspace.start(['run', 'events'], options)
    let isDone = false
    for (let kills = 0; kills < MAX_KILLS && rounds.done < ROUNDS && !isDone; kills++) {
      const running = start()
      const ended = running.ended.then(() => 'ended')
      isDone = (await Promise.race([ended, randomMoment(random, servers)])) === 'ended'
      running.kill('SIGKILL')
      const { code, stderr } = await running.ended
      assert.ok(code === null || code === 0, stderr)
      // The process may have ended by itself just before the kill.
      if (code === null) rounds.done++
      isDone = code === 0
    }
    const { code, stderr } = await start().ended
    assert.equal(code, 0, stderr)
    await check(workspace, servers)
    jobs++
  }
  return jobs
}

/** Resolves some time after the start, or when a request arrives, or a little later. */
async function randomMoment(random: Random, servers: Servers): Promise<void> {
  if (random.chance(0.15)) return sleep(random.below(700))
  await servers.reached(servers.requests + 1 + random.below(30))
  if (random.chance(0.7)) await sleep(random.below(40))
}
