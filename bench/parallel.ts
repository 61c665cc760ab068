/**
 * How much faster is a custom transform of about 20 µs a record with `parallel: 2`? Whole processes
 * from start to end, in turn, from plain NDJSON to /dev/null: first with the transform in the main thread.
 * Two cores must be free: on a machine with more, run it with `taskset -c 0,1`.
 *
 * `npm run build && node build/bench/parallel.js [--megabytes 300] [--rounds 5] [--folder /tmp]`; needs
 * bash.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { writeInput } from './backfill-run.ts'
import { compare, time } from './timed.ts'
import type { Timed } from './timed.ts'

const { values } = parseArgs({
  options: {
    megabytes: { type: 'string', default: '300' },
    rounds: { type: 'string', default: '5' },
    folder: { type: 'string', default: tmpdir() },
  },
})
const folder = await mkdtemp(join(values.folder, 'sluice-bench-'))
const input = join(folder, 'in.ndjson')

try {
  const count = await writeInput(input, { megabytes: Number(values.megabytes), shape: 'one', gzip: false })
  await compare(`a custom transform of 20 µs, ${count} records`, Number(values.rounds), {
    one: () => run(1),
    two: () => run(2),
    three: () => run(3),
  })
} finally {
  await rm(folder, { recursive: true })
}

function run(threads: number): Timed {
  const command = 'PARALLEL=$1 "$2" build/dist/main.cjs run bench/parallel.yaml --set "source.path=$3" > /dev/null'
  return time(command, [String(threads), process.execPath, input])
}
