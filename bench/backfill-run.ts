import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Report } from '../src/observe/report.ts'
import { createEventSet } from '../test/servers/events.ts'
import { writeArchive } from '../test/servers/events/archive.ts'
import type { ArchiveOptions } from '../test/servers/events/archive.ts'

export type Shape = 'one' | 'mixed'

/** Writes about this many megabytes of events, compressed by default. Returns the number of events. */
export async function writeInput(
  path: string,
  options: {
    megabytes: number
    shape: Shape
    format?: ArchiveOptions['format']
    seed?: number
    gzip?: boolean
    duplicates?: number
  },
): Promise<number> {
  const { megabytes, shape, format, seed = 3, gzip = true, duplicates = 0.02 } = options
  const start = Date.UTC(2026, 0, 1)
  const set = { seed, start, end: start + 86_400_000, shape }
  const sample = createEventSet({ ...set, count: SAMPLE })
  let bytes = 0
  for (let at = 0; at < SAMPLE; at++) bytes += sample.text(at).length + 1
  const count = Math.round((megabytes * 1e6 * SAMPLE) / bytes)
  await writeArchive(path, createEventSet({ ...set, count, duplicates }), { format, gzip })
  return count
}

const SAMPLE = 2000

/** `bench/backfill.yaml` with a custom transform that works on objects. */
export const CUSTOM = 'bench/backfill-custom.yaml'

/**
 * The command that runs a pipeline, `bench/backfill.yaml` by default, over an input and writes all its
 * files below the folder.
 */
export function commandFor(
  folder: string,
  input: string,
  options: readonly string[] = [],
  pipeline = 'bench/backfill.yaml',
): readonly string[] {
  const { out, state, report } = filesIn(folder)
  const settings = ['--set', `sink.path=${out}`, '--state', state, '--report', report, ...options]
  return [process.execPath, 'build/dist/main.cjs', 'backfill', pipeline, input, ...settings]
}

/**
 * Reads the report of the command, checks that all events were read and none rejected, and removes
 * its files.
 */
export async function takeReport(folder: string, count: number): Promise<Report> {
  const { out, state, report: path } = filesIn(folder)
  const report: Report = JSON.parse(await readFile(path, 'utf8'))
  const { read, rejected, written } = report
  if (read !== count || rejected > 0 || written === 0)
    throw new Error(`${read} of ${count} events were read, ${rejected} rejected, ${written} written`)
  for (const file of [out, state, path]) await rm(file, { recursive: true })
  return report
}

function filesIn(folder: string) {
  return { out: join(folder, 'out'), state: join(folder, 'state'), report: join(folder, 'report.json') }
}
