import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { Workload } from './workload.ts'
import type { World } from './world.ts'

/** What is wrong with a world in which a run has ended well; nothing when all is as if it had never crashed. */
export function judge(world: World, workload: Workload): string[] {
  const { expected } = workload
  const written: string[] = []
  const rejected: string[] = []
  const problems: string[] = []
  for (const [name, { bytes, puts }] of world.store.objects) {
    if (puts !== 1) problems.push(`${name} was written ${puts} times`)
    const [bucket] = name.split('/')
    for (const line of readLines(name, bytes, problems)) {
      const value = JSON.parse(line)
      if (bucket === 'rejects') rejected.push(idOfReject(value, workload))
      else written.push(value.id)
    }
  }
  problems.push(...compare('written', written, expected.written), ...compare('rejected', rejected, expected.rejected))
  problems.push(...judgeKept(world, workload))
  problems.push(...judgeState(world, workload, written.length, rejected.length))
  for (const path of world.disk.files()) if (path.includes('/outbox/')) problems.push(`${path} is left`)
  return problems
}

/** The rejects in the state folder: files as their rows say, and no others. */
function judgeKept(world: World, workload: Workload): string[] {
  const problems: string[] = []
  const files = world.disk.files().filter((path) => path.includes('/rejects/'))
  const kept: string[] = []
  for (const row of world.state.ofKind('localRejects')) {
    const path = files.find((name) => basename(name) === row.file)
    const bytes = path === undefined ? Buffer.alloc(0) : world.disk.read(path)
    if (sha256Of(bytes) !== row.sha256) problems.push(`${row.file} is not what its row says`)
    const bits = Buffer.from(row.replayed?.bits ?? '', 'base64')
    const isKept = (_line: string, at: number): boolean => ((bits[at >> 3] ?? 0) & (1 << (at & 7))) === 0
    const lines = readLines(row.file, bytes, problems).filter(isKept)
    if (lines.length !== row.records - (row.replayed?.records ?? 0))
      problems.push(`${row.file} has other bits than its row`)
    kept.push(...lines.map((line) => idOfReject(JSON.parse(line), workload)))
  }
  if (files.length !== world.state.ofKind('localRejects').length)
    problems.push(`${files.length} files of rejects are there`)
  const [tally] = world.state.ofKind('tally')
  const [counts] = world.state.ofKind('rejectCounts')
  if (kept.length + counts?.replayed !== tally?.rejected) {
    problems.push(`${tally?.rejected} were rejected, ${counts?.replayed} replayed, ${kept.length} are kept`)
  }
  const { rejected, kept: expected = rejected } = workload.expected
  return [...problems, ...compare('kept as a reject', kept, expected)]
}

function readLines(name: string, bytes: Buffer, problems: string[]): string[] {
  try {
    const text = (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString()
    if (!text.endsWith('\n')) problems.push(`${name} does not end in a line`)
    const lines = text.split('\n').slice(0, -1)
    for (const line of lines) JSON.parse(line)
    return lines
  } catch {
    problems.push(`${name} cannot be read`)
    return []
  }
}

/** A line that does not parse is known by its digest. */
export function idOfReject(
  { digest, record }: { digest?: string; record?: { id: string } },
  workload: Workload,
): string {
  if (record) return record.id
  return workload.expected.rejected.find((line) => sha256Of(line) === digest) ?? 'an unknown line'
}

function compare(what: string, found: readonly string[], expected: readonly string[]): string[] {
  const counts = new Map<string, number>()
  for (const id of found) counts.set(id, (counts.get(id) ?? 0) + 1)
  const missing = expected.filter((id) => !counts.has(id))
  const repeated = [...counts].filter(([, count]) => count > 1).map(([id]) => id)
  const foreign = [...counts.keys()].filter((id) => !expected.includes(id))
  return [
    ...missing.map((id) => `${id} was not ${what}`),
    ...repeated.map((id) => `${id} was ${what} more than once`),
    ...foreign.map((id) => `${id} was ${what} and should not be`),
  ]
}

/** Positions, ledger and history as they stand in the state itself. */
function judgeState(world: World, { partitions }: Workload, written: number, rejected: number): string[] {
  const problems: string[] = []
  const { state } = world
  for (const [name, { length }] of partitions) {
    const found = state.ofKind('partition').find(({ partition }) => partition === `source:${name}`)?.position
    if (found !== length) problems.push(`partition ${name} is at ${found}, not at ${length}`)
  }
  const [tally] = state.ofKind('tally')
  if (tally?.written !== written) problems.push(`${tally?.written} are counted as written, ${written} are there`)
  if (tally?.rejected !== rejected) problems.push(`${tally?.rejected} are counted as rejected, ${rejected} are there`)
  if (state.ofKind('object').length > 0) problems.push('objects are not published')
  const history = new Map(state.ofKind('history').map((row) => [`${row.destination.bucket}/${row.key}`, row.sha256]))
  for (const [name, { bytes }] of world.store.objects) {
    if (history.get(name) !== sha256Of(bytes)) problems.push(`${name} is not what the history says`)
    history.delete(name)
  }
  for (const name of history.keys()) problems.push(`${name} is in the history and not in the store`)
  return problems
}

function sha256Of(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
