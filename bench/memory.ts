/**
 * How much memory does a backfill of a .gz archive take (validate, redact, filter, dedup, gzip
 * level 1 to files), and does it grow with the archive? It measures the peak resident memory of the
 * process for archives of several sizes. 98 % of the events are distinct, and each distinct event
 * has a dedup key. With `--repeated`, the larger archives repeat the first one, so that the number
 * of dedup keys stays the same.
 *
 * `npm run build && node build/bench/memory.js [--gigabytes 1,2,8] [--repeated] [--shape one]
 * [--folder /tmp]`; needs Linux, and a fifth of the size on disk.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { peakOf } from '../test/support/peak-memory.ts'
import { commandFor, takeReport, writeInput } from './backfill-run.ts'
import type { Shape } from './backfill-run.ts'

const { values } = parseArgs({
  options: {
    gigabytes: { type: 'string', default: '1,2,8' },
    repeated: { type: 'boolean', default: false },
    shape: { type: 'string', default: 'one' },
    folder: { type: 'string', default: tmpdir() },
  },
})
/** Memory allowed per dedup key, including tables that are half empty after growing. */
const KEY_BYTES = 32
const shape: Shape = values.shape === 'mixed' ? 'mixed' : 'one'
const folder = await mkdtemp(join(values.folder, 'sluice-bench-'))
try {
  const input = join(folder, 'input.ndjson.gz')
  const sizes = values.gigabytes.split(',').map(Number)
  let first: number | undefined
  for (const gigabytes of sizes) {
    const copies = values.repeated ? Math.round(gigabytes / sizes[0]) : 1
    const count = copies * (await writeInput(input, { megabytes: (1000 * gigabytes) / copies, shape }))
    await repeat(input, copies)
    const [node, ...args] = commandFor(folder, input)
    const child = spawn(node, args, { stdio: ['ignore', 'ignore', 'inherit'] })
    const peak = (await peakOf({ pid: child.pid ?? 0, ended: once(child, 'close') })) / 1e6
    const report = await takeReport(folder, count)
    const keys = (report.written * KEY_BYTES) / 1e6
    const rest = peak - keys
    first ??= peak
    console.log(
      `${process.version} ${shape}: ${gigabytes} GB${copies > 1 ? ', repeated' : ''}, ${count} events, ${report.written} dedup keys: peak ${peak.toFixed(0)} MB ` +
        `(${(peak / first).toFixed(2)} of the first), ${rest.toFixed(0)} MB beyond ${KEY_BYTES} bytes per key; ${report.seconds.toFixed(0)} s`,
    )
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}

/** Concatenated gzip files are one valid gzip file. */
async function repeat(path: string, copies: number): Promise<void> {
  const bytes = await readFile(path)
  for (let copy = 1; copy < copies; copy++) await appendFile(path, bytes)
}
