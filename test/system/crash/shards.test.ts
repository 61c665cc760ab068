import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { openWorkspace } from '../../support/command.ts'
import type { RunningCommand, Workspace } from '../../support/command.ts'
import { scaled } from '../../support/scale.ts'
import { runVerifier } from './support/job.ts'
import { createRandom } from './support/random.ts'
import type { Random } from './support/random.ts'
import { seededRandom } from './support/seed.ts'

const { seed } = seededRandom('shards')
const ROUNDS = scaled(12)
const COUNT = 4000
const KINDS = ['one', 'two', 'noise', 'bad', 'three']
const MAX_KILLS = 10

/** A custom transform whose thread dies at random records: by an exit, by an error outside of every call. */
const DEADLY = `import { defineTransform } from 'sluice'
const chance = Number(process.env.DEATHS ?? 0)
export default defineTransform({
  summary: 'Dies now and then.', parallel: true, fields: {}, examples: [],
  create: () => (record) => {
    if (Math.random() < chance) {
      if (Math.random() < 0.5) process.exit(1)
      setImmediate(() => { throw new Error('outside of every call') })
      return new Promise(() => {})
    }
    return record
  },
})
`

const PIPELINE = `
source: { type: file, path: none }
transforms:
  - { type: filter, drop: { kind: noise } }
  - { type: validate, schema: schema.json }
  - { type: ./deadly.js }
  - { type: redact, rules: [{ path: user, action: mask }] }
  - { type: dedup, key: [id, at], time: at }
sink: { type: file, path: out/objects, key: 'kind={record.kind}' }
rejects: { type: file, path: out/rejects, key: all }
`

describe('a parallel backfill that is killed', () => {
  test(`${ROUNDS} times, with its threads dying too, writes every record exactly once`, async (t) => {
    const random = createRandom(seed)
    const done = { rounds: 0 }
    let jobs = 0
    for (; done.rounds < ROUNDS; jobs++) await killJob(t, random, done)
    t.diagnostic(`${done.rounds} kills of a living process in ${jobs} jobs`)
  })

  test('or is asked to end, goes on where it was', async (t) => {
    const workspace = await openJob(t)
    const running = workspace.start(backfill('2', createRandom(seed)))
    await committed(running, workspace)
    running.kill('SIGTERM')
    const { code, stderr } = await running.ended
    assert.ok(code === 130 || code === 0, stderr)
    if (code === 130) assert.match(stderr, /shards .* left/)
    const again = await workspace.sluice(backfill('2', createRandom(seed)))
    assert.equal(again.code, 0, again.stderr)
    await verify(workspace)
  })
})

/** Runs one backfill to its end, and kills it on the way. A round is a process that was alive when it was killed. */
async function killJob(t: TestContext, random: Random, done: { rounds: number }): Promise<void> {
  const workspace = await openJob(t)
  const args = backfill(random.chance(0.7) ? '2' : '8', random)
  let isDone = false
  for (let kills = 0; kills < MAX_KILLS && done.rounds < ROUNDS && !isDone; kills++) {
    const running = workspace.start(args, { env: { DEATHS: random.chance(0.5) ? '0.0002' : '0' } })
    await Promise.race([running.ended, moment(random, running, workspace)])
    running.kill('SIGKILL')
    const { code, stderr } = await running.ended
    // A shard that was unlucky with all its threads is tried again by the next process.
    assert.ok(code === null || code === 0 || code === 3, stderr)
    if (code === null) done.rounds++
    isDone = code === 0
  }
  if (!isDone) {
    const { code, stderr } = await workspace.sluice(args)
    assert.equal(code, 0, stderr)
  }
  await verify(workspace)
  const serial = await workspace.report(['backfill', 'events', 'in', '--workers', '1'])
  assert.equal(serial.read, 0)
}

/** After the start, or when some shards are committed, or a little later. */
async function moment(random: Random, running: RunningCommand, workspace: Workspace): Promise<void> {
  if (random.chance(0.2)) return sleep(random.below(1500))
  await committed(running, workspace)
  await sleep(random.below(400))
}

/** Resolves when a shard more is committed than before, or the process has ended. */
async function committed(running: RunningCommand, workspace: Workspace): Promise<void> {
  const ended = running.ended.then(() => true)
  const before = await doneShards(workspace)
  while (!(await Promise.race([ended, sleep(20, false)])) && (await doneShards(workspace)) <= before);
}

async function doneShards(workspace: Workspace): Promise<number> {
  const { code, stdout } = await workspace.sluice(['runs', 'show', 'events', '--json'])
  const run: { done?: number } | null = code === 0 ? JSON.parse(stdout) : null
  return run?.done ?? 0
}

function backfill(workers: string, random: Random): string[] {
  return ['backfill', 'events', 'in', '--workers', workers, '--shard-size', `${10 + random.below(40)}KiB`]
}

function line(id: number): string {
  const at = new Date(Date.UTC(2026, 0, 1) + id * 60_000).toISOString()
  return `${JSON.stringify({ id, at, kind: KINDS[id % KINDS.length], user: `u${id}@example.com`, pad: 'x'.repeat(80) })}\n`
}

function lines(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, at) => line(from + at)).join('')
}

/** Archives that overlap, plain and compressed, and what the verifier expects of them. */
async function openJob(t: TestContext): Promise<Workspace> {
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/events.yaml', PIPELINE)
  await workspace.write('pipelines/deadly.js', DEADLY)
  const schema = { type: 'object', properties: { kind: { not: { const: 'bad' } } } }
  await workspace.write('pipelines/schema.json', JSON.stringify(schema))
  await workspace.write('in/a.ndjson', lines(0, 2500))
  for (let file = 0; file < 6; file++) {
    const from = 1500 + file * 350
    await workspace.write(`in/b${file}.ndjson.gz`, gzipSync(lines(from, from + 600)))
  }
  await workspace.write('in/c.ndjson', lines(3000, COUNT))
  const ids = Array.from({ length: COUNT }, (_, id) => id)
  await writeFile(workspace.path('expected'), ids.join('\n'))
  await writeFile(workspace.path('dropped'), ids.filter((id) => KINDS[id % KINDS.length] === 'noise').join('\n'))
  return workspace
}

async function verify(workspace: Workspace): Promise<void> {
  const objects = ['--objects', workspace.path('out/objects'), '--rejects', workspace.path('out/rejects')]
  const lists = ['expected', 'dropped'].flatMap((name) => [`--${name}`, workspace.path(name)])
  const { code, stdout } = await runVerifier([...objects, ...lists])
  assert.equal(code, 0, stdout)
  // Nothing is visible that the history does not have.
  const verified = await workspace.sluice(['verify', 'events'])
  assert.equal(verified.code, 0, verified.stdout + verified.stderr)
}
