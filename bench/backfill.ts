/**
 * How long does a backfill of a .gz archive through validate, redact, filter and dedup into .gz
 * files take, compared with `gzip -dc | gzip -1`, which only recompresses? It measures whole
 * processes, from start to end, in turn (A B A B ...), so that the drift of the machine affects
 * both. A ratio below 1 means that the backfill is faster. Processor time covers all processes and
 * threads.
 *
 * `npm run build && node build/bench/backfill.js [--megabytes 500] [--rounds 5] [--folder /tmp]`;
 * needs bash, gzip and a fifth of the size on disk.
 */
import { statSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { commandFor, takeReport, writeInput } from './backfill-run.ts'
import type { Shape } from './backfill-run.ts'
import { median, time } from './timed.ts'
import type { Timed } from './timed.ts'

const { values } = parseArgs({
  options: {
    megabytes: { type: 'string', default: '500' },
    rounds: { type: 'string', default: '5' },
    folder: { type: 'string', default: tmpdir() },
  },
})
const megabytes = Number(values.megabytes)
const rounds = Number(values.rounds)
const folder = await mkdtemp(join(values.folder, 'sluice-bench-'))
try {
  for (const shape of ['one', 'mixed'] as const) {
    for (const format of ['ndjson', 'array'] as const) await compare(shape, format)
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function compare(shape: Shape, format: 'ndjson' | 'array'): Promise<void> {
  const input = join(folder, 'input.json.gz')
  const count = await writeInput(input, { megabytes, shape, format })
  const bare: Timed[] = []
  const sluice: Timed[] = []
  // The first round warms up the file cache.
  for (let round = -1; round < rounds; round++) {
    const recompressed = time('gzip -dc "$1" | gzip -1 > "$2"', [input, join(folder, 'bare.gz')])
    const backfilled = time('"$@"', commandFor(folder, input))
    await takeReport(folder, count)
    if (round < 0) continue
    bare.push(recompressed)
    sluice.push(backfilled)
  }
  const size = `${megabytes} MB, ${count} events, ${(statSync(input).size / 1e6).toFixed(0)} MB compressed`
  console.log(`${process.version} ${shape} ${format}: ${size}, ${rounds} rounds`)
  for (const of of ['wall', 'cpu'] as const) {
    const ratios = sluice.map((one, at) => one[of] / bare[at][of])
    const seconds = (all: readonly Timed[]) => median(all.map((one) => one[of])).toFixed(2)
    console.log(
      `  ${of.padEnd(4)} gzip ${seconds(bare)} s, sluice ${seconds(sluice)} s, ratio ${median(ratios).toFixed(2)} ` +
        `(${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`,
    )
  }
}
