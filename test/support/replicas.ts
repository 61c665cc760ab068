import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import type { TestContext } from 'node:test'
import { newShardKey, formatShardKey } from '../../src/delivery/replicas/shard-key.ts'
import type { Report } from '../../src/observe/report.ts'
import { readIds } from '../delivery/support.ts'
import { startJumpCloudServer } from '../servers/jumpcloud.ts'
import type { JumpCloudOptions, JumpCloudServer } from '../servers/jumpcloud.ts'
import { HOUR, MINUTE } from '../../src/time.ts'
import { openWorkspace } from './command.ts'
import type { CommandOptions, Workspace } from './command.ts'

/** The default of the source. */
const SETTLING_DELAY = 5 * MINUTE

/** A pipeline `events` with several tenants, and replicas that divide them; all write to `out`. */
export interface Fleet {
  readonly jumpcloud: JumpCloudServer
  readonly workspace: Workspace
  readonly env: { readonly [name: string]: string }
  /** `sluice run events` as a replica with the state folder of its number. */
  readonly run: (number: number, count: number, options?: CommandOptions & { code?: number }) => Promise<Report>
  /** `sluice <args> --state <folder of the replica>` */
  readonly sluice: (
    args: readonly string[],
    number: number,
    env?: { readonly [name: string]: string },
  ) => Promise<Ended>
  /** Fails unless every event that the API shows was written exactly once. */
  readonly assertOnce: () => Promise<void>
}

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export async function openFleet(
  t: TestContext,
  { key = shardKeyOf(5), ...options }: JumpCloudOptions & { key?: string } = {},
): Promise<Fleet> {
  const end = Date.now() - HOUR
  const jumpcloud = await startJumpCloudServer({
    events: 30,
    organizations: 12,
    start: end - 20 * HOUR,
    end,
    ...options,
  })
  t.after(() => jumpcloud.close())
  const workspace = await openWorkspace(t)
  const ids = jumpcloud.organizations.map(({ id }) => id)
  await workspace.write('pipelines/events.yaml', pipelineOf(jumpcloud, ids))
  const env = { SLUICE_SHARD_KEY: key }
  return {
    jumpcloud,
    workspace,
    env,
    run: (number, count, { env: more, ...rest } = {}) =>
      workspace.report(['run', 'events', '--shard', `${number}/${count}`, '--state', `state-${number}`], {
        env: { ...env, ...more },
        ...rest,
      }),
    sluice: (args, number, more = {}) =>
      workspace.sluice([...args, '--state', `state-${number}`], { env: { ...env, ...more } }),
    assertOnce: async () => {
      const counts = new Map<string, number>()
      for (const id of await readIds(workspace.path('out'))) {
        assert.ok(typeof id === 'string')
        counts.set(id, (counts.get(id) ?? 0) + 1)
      }
      const shown = new Set(ids.flatMap((org) => [...jumpcloud.allIds(org)]))
      // Younger ones are left for a later window.
      const due = ids.flatMap((org) => [...jumpcloud.allIds(org, jumpcloud.clock.now() - SETTLING_DELAY)])
      const twice = [...counts].filter(([, count]) => count > 1).length
      const missing = due.filter((id) => !counts.has(id)).length
      const unknown = [...counts.keys()].filter((id) => !shown.has(id)).length
      assert.deepEqual({ twice, missing, unknown }, { twice: 0, missing: 0, unknown: 0 })
    },
  }
}

export function shardKeyOf(count: number): string {
  return formatShardKey(newShardKey(count))
}

export function pipelineOf({ url, apiKey }: JumpCloudServer, organizations: readonly string[]): string {
  return `source:
  type: jumpcloud
  apiKey: ${apiKey}
  baseUrl: ${url}
  ${organizations.length === 0 ? '' : `organizations: ${JSON.stringify(organizations)}`}
  limit: 20
  window: { since: 2d, repair: 0s }
  rate: { perSecond: 10000, concurrency: 4 }
  poll: 50ms
transforms: [{ type: dedup, key: [id, timestamp], time: timestamp, within: 7d }]
sink: { type: file, path: out, key: all, compression: none }
`
}

export const range = (count: number): number[] => Array.from({ length: count }, (_, at) => at + 1)

/** A fleet whose clock stands still; it has collected the events of the first half. */
export async function openMoving(t: TestContext, count: number, key = shardKeyOf(count)) {
  const now = Date.now()
  const fleet = await openFleet(t, { key, now: now - 10 * HOUR, start: now - 20 * HOUR, end: now, frozen: true })
  for (const number of range(count)) await fleet.run(number, count, { env: { SLUICE_SHARD_KEY: key } })
  return { fleet, key }
}

export async function exportAll(
  { sluice, workspace }: Fleet,
  was: number,
  count: number,
): Promise<{ files: string[]; key: string }> {
  const files: string[] = []
  const keys = new Set<string>()
  for (const number of range(was)) {
    const file = workspace.path(`${was}-${count}-${number}.export`)
    const { code, stdout, stderr } = await sluice(
      ['state', 'export', 'events', file, '--count', `${count}`, '--yes'],
      number,
    )
    assert.equal(code, 0, stderr)
    keys.add(/^SLUICE_SHARD_KEY=(\S+)$/m.exec(stdout)?.[1] ?? '')
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    files.push(file)
  }
  const [key = '', ...others] = keys
  assert.deepEqual(others, [])
  return { files, key }
}

/** Moves the tenants from one number of replicas to another. Returns the new key. */
export async function move(fleet: Fleet, was: number, count: number): Promise<string> {
  const { files, key } = await exportAll(fleet, was, count)
  for (const number of range(count)) {
    const args = ['state', 'import', 'events', ...files, '--shard', `${number}/${count}`]
    const { code, stderr } = await fleet.sluice(args, number, { SLUICE_SHARD_KEY: key })
    assert.equal(code, 0, stderr)
    assert.match(stderr, new RegExp(`replica ${number}/${count} has all exports: it can run`))
  }
  return key
}
