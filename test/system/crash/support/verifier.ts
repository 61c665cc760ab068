/**
 * Checks the output of a run from the outside: it shares no code with Sluice. As a command,
 *
 * node build/test/system/crash/support/verifier.js --objects DIR --expected FILE [--rejects DIR]
 * [--dropped FILE] [--puts FILE] [--id NAME]
 *
 * reads every object below the folders and prints a report as JSON. `expected` and `dropped` are
 * files with one id per line: of all records in the source, and of those that are dropped on
 * purpose. `puts` is JSON: how often each key was written. Each expected id must be either dropped,
 * or exactly once in objects and rejects. Exit status: 0 correct, 1 incorrect, 2 usage.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { gunzipSync } from 'node:zlib'

const { values } = parseArgs({
  options: {
    objects: { type: 'string' },
    rejects: { type: 'string' },
    expected: { type: 'string' },
    dropped: { type: 'string' },
    puts: { type: 'string' },
    id: { type: 'string', default: 'id' },
  },
})
if (values.objects === undefined || values.expected === undefined) {
  console.error('--objects and --expected are required')
  process.exitCode = 2
} else {
  const written = countIds(values.objects, (record) => record[values.id])
  const rejected = countIds(values.rejects, ({ record, digest }) => (isLine(record) ? record[values.id] : digest))
  const expected = new Set(listOf(values.expected))
  const dropped = new Set(listOf(values.dropped))

  const missing = [...expected].filter((id) => !dropped.has(id) && !written.ids.has(id) && !rejected.ids.has(id))
  const repeated = [...expected].filter((id) => (written.ids.get(id) ?? 0) + (rejected.ids.get(id) ?? 0) > 1)
  const unexpected = [...written.ids.keys(), ...rejected.ids.keys()].filter(
    (id) => !expected.has(id) || dropped.has(id),
  )
  const puts: { [key: string]: number } = values.puts === undefined ? {} : JSON.parse(readFileSync(values.puts, 'utf8'))
  const rewritten = Object.keys(puts).filter((key) => puts[key] !== 1)
  const damaged = [...written.damaged, ...rejected.damaged]

  const isCorrect = [missing, repeated, unexpected, rewritten, damaged].every((problems) => problems.length === 0)
  const report = {
    isCorrect,
    objects: written.objects,
    expected: expected.size,
    written: written.records,
    rejected: rejected.records,
    dropped: dropped.size,
    missing: summary(missing),
    repeated: summary(repeated),
    unexpected: summary(unexpected),
    rewritten: summary(rewritten),
    damaged: summary(damaged),
  }
  console.log(JSON.stringify(report, undefined, 2))
  process.exitCode = isCorrect ? 0 : 1
}

function summary(all: readonly string[]) {
  return { count: all.length, some: all.slice(0, 5) }
}

function listOf(file: string | undefined): string[] {
  return file === undefined ? [] : readFileSync(file, 'utf8').split('\n').filter(Boolean)
}

interface Found {
  objects: number
  records: number
  readonly ids: Map<string, number>
  readonly damaged: string[]
}

interface Line {
  readonly [name: string]: unknown
}

function countIds(folder: string | undefined, idOf: (line: Line) => unknown): Found {
  const found: Found = { objects: 0, records: 0, ids: new Map(), damaged: [] }
  for (const path of folder === undefined ? [] : filesBelow(folder)) {
    found.objects++
    try {
      const bytes = readFileSync(path)
      const text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')
      if (!text.endsWith('\n')) throw new Error('the last line is truncated')
      for (const line of text.slice(0, -1).split('\n')) {
        const id = String(idOf(JSON.parse(line)))
        found.ids.set(id, (found.ids.get(id) ?? 0) + 1)
        found.records++
      }
    } catch (error) {
      found.damaged.push(`${path}: ${String(error)}`)
    }
  }
  return found
}

function isLine(value: unknown): value is Line {
  return typeof value === 'object' && value !== null
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((path) => statSync(path).isFile())
}
