import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Report } from '../src/observe/report.ts'
import { createEventSet } from '../test/servers/events.ts'
import { writeArchive } from '../test/servers/events/archive.ts'
import type { ArchiveOptions } from '../test/servers/events/archive.ts'

export type Shape = 'one' | 'mixed'

/** Writes about so many megabytes of events, compressed; returns how many events these are. */
export async function writeInput(
  path: string,
  { megabytes, shape, format }: { megabytes: number; shape: Shape; format?: ArchiveOptions['format'] },
): Promise<number> {
  const start = Date.UTC(2026, 0, 1)
  const set = { seed: 3, start, end: start + 86_400_000, shape }
  const sample = createEventSet({ ...set, count: SAMPLE })
  let bytes = 0
  for (let at = 0; at < SAMPLE; at++) bytes += sample.text(at).length + 1
  const count = Math.round((megabytes * 1e6 * SAMPLE) / bytes)
  await writeArchive(path, createEventSet({ ...set, count, duplicates: 0.02 }), { format, gzip: true })
  return count
}

const SAMPLE = 2000

/** The command that runs the pipeline of `bench/backfill.yaml` over an input, with all that it leaves in the folder. */
export function commandFor(folder: string, input: string): readonly string[] {
  const { out, state, report } = placesIn(folder)
  const settings = ['--set', `sink.path=${out}`, '--state', state, '--report', report]
  return [process.execPath, 'build/src/cli/main.js', 'backfill', 'bench/backfill.yaml', input, ...settings]
}

/** What the command has done, when all events were read and none was refused. Removes what it left. */
export async function takeReport(folder: string, count: number): Promise<Report> {
  const { out, state, report: path } = placesIn(folder)
  const report: Report = JSON.parse(await readFile(path, 'utf8'))
  const { read, rejected, written } = report
  if (read !== count || rejected > 0 || written === 0)
    throw new Error(`${read} of ${count} events were read, ${rejected} rejected, ${written} written`)
  for (const place of [out, state, path]) await rm(place, { recursive: true })
  return report
}

function placesIn(folder: string) {
  return { out: join(folder, 'out'), state: join(folder, 'state'), report: join(folder, 'report.json') }
}
