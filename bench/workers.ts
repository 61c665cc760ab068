/**
 * How much faster is a backfill with two threads? Whole processes from start to end, in turn.
 *
 * - Plain NDJSON, one file, to gzip objects: `--workers 1` against `--workers 2`. Without repeated
 *   records, and with some that are repeated within 10,000 lines: at each border of two shards some of
 *   them are in both. Then with a custom transform that works on objects, `backfill-custom.yaml`.
 * - Several .gz files to gzip objects at level 1: `--workers 2` against `gzip -dc | gzip -1`.
 *
 * The pipeline is that of `backfill.ts`. Two cores must be free: on a machine with more, run it with
 * `taskset -c 0,1`.
 *
 * `npm run build && node build/bench/workers.js [--megabytes 1000] [--rounds 5] [--folder /tmp]`; needs
 * bash, gzip and 1.4 times the size on disk.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { commandFor, CUSTOM, takeReport, writeInput } from './backfill-run.ts'
import { compare, time } from './timed.ts'
import type { Timed } from './timed.ts'

const { values } = parseArgs({
  options: {
    megabytes: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '5' },
    folder: { type: 'string', default: tmpdir() },
    files: { type: 'string', default: '8' },
  },
})
const megabytes = Number(values.megabytes)
const rounds = Number(values.rounds)
const files = Number(values.files)
const folder = await mkdtemp(join(values.folder, 'sluice-bench-'))
const input = join(folder, 'in')

try {
  await mkdir(input)
  let count = 0
  for (const duplicates of [0.02, 0]) {
    const options = { megabytes, shape: 'one', gzip: false, duplicates } as const
    count = await writeInput(join(input, 'all.ndjson'), options)
    const title = `plain to gzip, ${100 * duplicates} % repeated nearby: ${megabytes} MB`
    await compare(title, rounds, { one: () => backfill(1, count), two: () => backfill(2, count) })
  }
  await compare(`plain to gzip with a custom transform: ${megabytes} MB`, rounds, {
    one: () => backfill(1, count, CUSTOM),
    two: () => backfill(2, count, CUSTOM),
  })
  await rm(join(input, 'all.ndjson'))

  let packed = 0
  for (let file = 0; file < files; file++) {
    const options = { megabytes: megabytes / files, shape: 'one', seed: file } as const
    packed += await writeInput(join(input, `${file}.json.gz`), options)
  }
  await compare(`gzip to gzip: ${megabytes} MB`, rounds, {
    gzip: () => time('gzip -dc "$1"/*.gz | gzip -1 > "$2"', [input, join(folder, 'bare.gz')]),
    one: () => backfill(1, packed),
    two: () => backfill(2, packed),
  })
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function backfill(workers: number, count: number, pipeline?: string): Promise<Timed> {
  const timed = time('"$@"', commandFor(folder, input, ['--workers', String(workers)], pipeline))
  await takeReport(folder, count)
  return timed
}
