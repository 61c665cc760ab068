/**
 * How much faster is a backfill with two threads? Whole processes from start to end, in turn (A B C A B
 * C ...), so that the drift of the machine affects all of them.
 *
 * - Plain NDJSON, one file, to gzip objects: `--workers 1` against `--workers 2`. Without repeated
 *   records, and with some that are repeated within 10,000 lines: at each border of two shards some of
 *   them are in both.
 * - Several .gz files to gzip objects at level 1: `--workers 2` against `gzip -dc | gzip -1`.
 *
 * The pipeline is that of `backfill.ts`. Two cores must be free: on a machine with more, run it with
 * `taskset -c 0,1`.
 *
 * `npm run build && node build/bench/workers.js [--megabytes 1000] [--rounds 5] [--folder /tmp]`; needs
 * bash, gzip and 1.4 times the size on disk.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { commandFor, takeReport, writeInput } from './backfill-run.ts'
import { median, time } from './timed.ts'
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
const files = Number(values.files)
const folder = await mkdtemp(join(values.folder, 'sluice-bench-'))
const input = join(folder, 'in')

try {
  await mkdir(input)
  for (const duplicates of [0, 0.02]) {
    const options = { megabytes, shape: 'one', gzip: false, duplicates } as const
    const count = await writeInput(join(input, 'all.ndjson'), options)
    const title = `plain to gzip, ${100 * duplicates} % repeated nearby`
    await measure(title, count, { one: ['--workers', '1'], two: ['--workers', '2'] })
  }
  await rm(join(input, 'all.ndjson'))

  let packed = 0
  for (let file = 0; file < files; file++) {
    const options = { megabytes: megabytes / files, shape: 'one', seed: file } as const
    packed += await writeInput(join(input, `${file}.json.gz`), options)
  }
  await measure('gzip to gzip', packed, { gzip: undefined, one: ['--workers', '1'], two: ['--workers', '2'] })
} finally {
  await rm(folder, { recursive: true, force: true })
}

/** Measures commands in turn. Undefined stands for `gzip`. The ratios are to the first one. */
async function measure(
  title: string,
  count: number,
  commands: { readonly [name: string]: readonly string[] | undefined },
): Promise<void> {
  const timed = new Map<string, Timed[]>(Object.keys(commands).map((name) => [name, []]))
  // The first round warms up the file cache.
  for (let round = -1; round < Number(values.rounds); round++) {
    for (const [name, options] of Object.entries(commands)) {
      const one = options
        ? time('"$@"', commandFor(folder, input, options))
        : time('gzip -dc "$1"/*.gz | gzip -1 > "$2"', [input, join(folder, 'bare.gz')])
      if (options) await takeReport(folder, count)
      if (round >= 0) timed.get(name)?.push(one)
    }
  }
  console.log(`${process.version} ${title}: ${megabytes} MB, load average ${loadavg()[0]?.toFixed(1)}`)
  const [first = []] = timed.values()
  for (const [name, all] of timed) {
    for (const of of ['wall', 'cpu'] as const) {
      const ratios = all.map((one, at) => one[of] / (first[at]?.[of] ?? NaN))
      console.log(
        `  ${name.padEnd(5)} ${of.padEnd(4)} ${median(all.map((one) => one[of])).toFixed(2)} s, ` +
          `ratio ${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`,
      )
    }
  }
}
