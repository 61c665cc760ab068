/**
 * What does the queue cost, and what do two worker processes gain? The backfills of `workers.ts`, of one
 * plain file to gzip objects, on this machine with `--workers 1`, and by a queue with one worker process
 * and with two, each of which executes one shard at a time. Workers are started before; their processor
 * time counts. Redis, coordinator and workers share the cores of this machine: two must be free.
 *
 * `npm run build && node build/bench/queue.js [--megabytes 1000] [--rounds 5] [--folder /tmp]`; needs
 * bash, redis-server, Linux, and 1.4 times the size on disk.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startRedis } from '../test/servers/redis.ts'
import { commandFor, CUSTOM, takeReport, writeInput } from './backfill-run.ts'
import { compare, time } from './timed.ts'
import type { Timed } from './timed.ts'

const { values } = parseArgs({
  options: {
    megabytes: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '5' },
    folder: { type: 'string', default: tmpdir() },
  },
})
const megabytes = Number(values.megabytes)
const rounds = Number(values.rounds)
const folder = await mkdtemp(join(values.folder, 'sluice-bench-'))
const input = join(folder, 'in')
const redis = await startRedis()
/** Of processor time in a second, as Linux counts it for processes. */
const TICKS = 100
process.env['SLUICE_QUEUE_KEY'] = 'a key of this measurement, of forty bytes'

try {
  await mkdir(input)
  const options = { megabytes, shape: 'one', gzip: false, duplicates: 0 } as const
  const count = await writeInput(join(input, 'all.ndjson'), options)
  for (const [what, pipeline] of [
    ['built-in transforms', undefined],
    ['a custom transform', CUSTOM],
  ] as const) {
    await compare(`plain to gzip with ${what}: ${megabytes} MB`, rounds, {
      local: () => backfill(['--workers', '1'], count, pipeline),
      'queue 1': () => withWorkers(1, count, pipeline),
      'queue 2': () => withWorkers(2, count, pipeline),
    })
  }
} finally {
  await redis.close()
  await rm(folder, { recursive: true, force: true })
}

async function backfill(args: readonly string[], count: number, pipeline?: string): Promise<Timed> {
  const timed = time('"$@"', commandFor(folder, input, args, pipeline))
  await takeReport(folder, count)
  return timed
}

async function withWorkers(workers: number, count: number, pipeline?: string): Promise<Timed> {
  const args = ['build/dist/main.cjs', 'worker', '--queue', redis.url, '--concurrency', '1']
  const children = Array.from({ length: workers }, () =>
    spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] }),
  )
  try {
    // It says that it has started.
    await Promise.all(children.map(({ stderr }) => once(stderr, 'data')))
    for (const { stderr } of children) stderr.resume()
    const started = await Promise.all(children.map(({ pid }) => cpuOf(pid)))
    const { wall, cpu } = await backfill(['--queue', redis.url], count, pipeline)
    const ended = await Promise.all(children.map(({ pid }) => cpuOf(pid)))
    return { wall, cpu: ended.reduce((sum, seconds, at) => sum + seconds - (started[at] ?? 0), cpu) }
  } finally {
    await Promise.all(
      children.map(async (child) => {
        child.kill('SIGTERM')
        await once(child, 'exit')
      }),
    )
  }
}

/** Processor time of a process so far, in seconds. */
async function cpuOf(pid: number | undefined): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const [user = NaN, system = NaN] = stat.slice(stat.lastIndexOf(')')).split(' ').slice(12, 14).map(Number)
  return (user + system) / TICKS
}
