import { createHash, createHmac } from 'node:crypto'
import { basename } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { FORMAT } from '../../../../src/delivery/state/formats.ts'
import type { Workload } from './workload.ts'
import type { Environment } from './world.ts'

/**
 * Returns the differences between the outcome of a successful run and the outcome without crashes.
 */
export function checkOutcome(environment: Environment, workload: Workload): string[] {
  const { expected } = workload
  const written: string[] = []
  const bySink = new Map<string, string[]>()
  const rejected: string[] = []
  const problems: string[] = []
  for (const [name, { bytes, puts }] of environment.store.objects) {
    if (puts !== 1) problems.push(`${name} was written ${puts} times`)
    const [bucket] = name.split('/')
    for (const line of readLines(name, bytes, problems)) {
      const value = JSON.parse(line)
      if (bucket === 'rejects') rejected.push(idOfReject(value, workload, environment))
      else {
        written.push(value.id)
        bySink.set(bucket, [...(bySink.get(bucket) ?? []), value.id])
      }
    }
  }
  // Every sink has a bucket of its name.
  const all = expected.sinks ? [...new Set(written)] : written
  for (const [sink, ids] of Object.entries(expected.sinks ?? {}))
    problems.push(...compare(`written to ${sink}`, bySink.get(sink) ?? [], ids))
  problems.push(...checkSinks(environment, expected, bySink))
  problems.push(...compare('written', all, expected.written), ...compare('rejected', rejected, expected.rejected))
  problems.push(...checkLocalRejects(environment, workload))
  problems.push(...checkState(environment, workload, all.length, rejected.length))
  for (const path of environment.disk.files()) {
    const isWorkers = path.startsWith('/worker/')
    if (!isWorkers && /\/(outbox|shards)\//.test(path)) problems.push(`${path} was not deleted`)
  }
  problems.push(...checkShards(environment, workload))
  return problems
}

/** The lines of the ledger. */
function checkSinks(
  { state }: Environment,
  { sinks = {} }: Workload['expected'],
  found: ReadonlyMap<string, readonly string[]>,
): string[] {
  const [tally] = state.ofKind('tally')
  return Object.keys(sinks).flatMap((name) => {
    const [counted, written] = [tally?.sinks[name], found.get(name)?.length ?? 0]
    return counted === written ? [] : [`${counted} are counted as written to ${name}, ${written} exist`]
  })
}

/** The rejects in the state folder: each file matches its row, and there are no other files. */
function checkLocalRejects(environment: Environment, workload: Workload): string[] {
  const problems: string[] = []
  const files = environment.disk.files().filter((path) => path.includes('/rejects/'))
  const found: string[] = []
  for (const row of environment.state.ofKind('localRejects')) {
    const path = files.find((name) => basename(name) === row.file)
    const bytes = path === undefined ? Buffer.alloc(0) : environment.disk.read(path)
    if (sha256Of(bytes) !== row.sha256) problems.push(`${row.file} has another checksum than its row`)
    const bits = Buffer.from(row.replayed?.bits ?? '', 'base64')
    const isPending = (line: string): boolean => {
      const number = numberOf(JSON.parse(line).id, row)
      return ((bits[number >> 3] ?? 0) & (1 << (number & 7))) === 0
    }
    const lines = readLines(row.file, bytes, problems).filter(isPending)
    if (lines.length !== row.records - (row.replayed?.records ?? 0))
      problems.push(`${row.file} has another number of pending rejects than its row`)
    found.push(...lines.map((line) => idOfReject(JSON.parse(line), workload, environment)))
  }
  if (files.length !== environment.state.ofKind('localRejects').length)
    problems.push(`${files.length} files of rejects exist`)
  const [tally] = environment.state.ofKind('tally')
  const [counts] = environment.state.ofKind('rejectCounts')
  if (found.length + counts?.replayed !== tally?.rejected) {
    problems.push(
      `${tally?.rejected} were rejected, ${counts?.replayed} replayed, ${found.length} are in the state folder`,
    )
  }
  const { rejected, localRejects: expected = rejected } = workload.expected
  return [...problems, ...compare('in the local rejects', found, expected)]
}

/** The number of a reject in its file, with those that are no longer in it. */
function numberOf(
  id: string,
  { epoch, parts }: { epoch: number; parts?: { epoch: number; records: number }[] },
): number {
  const [own, at] = id.split('-').map(Number)
  let first = 0
  for (const part of parts ?? [{ epoch, records: Infinity }]) {
    if (part.epoch === own) return first + at
    first += part.records
  }
  throw new Error(`${id} is in the file of another epoch`)
}

/** Nothing is left of a parallel backfill. */
function checkShards({ state, store }: Environment, { shards }: Workload): string[] {
  const problems: string[] = []
  for (const kind of ['shardRun', 'shard', 'shardParts', 'shardEnds']) {
    if (state.ofKind(kind).length > 0) problems.push(`rows of the kind ${kind} are left`)
  }
  const [meta] = state.ofKind('meta')
  if (meta.format !== FORMAT) problems.push(`the state has format ${meta.format}`)
  if (shards && store.staged.size > 0) problems.push(`${store.staged.size} objects are staged and not published`)
  return problems
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

/** A line that does not parse is identified by its digest, which is keyed with a secret of the state. */
export function idOfReject(
  { digest, record }: { digest?: string; record?: { id: string } },
  workload: Workload,
  { state }: Environment,
): string {
  if (record) return record.id
  const [meta] = state.ofKind('meta')
  const key = Buffer.from(meta.hashKey, 'hex')
  const digestOf = (line: string) =>
    createHmac('sha256', key)
      .update(`reject ${sha256Of(line)}`)
      .digest('hex')
  return workload.expected.rejected.find((line) => digestOf(line) === digest) ?? 'an unknown line'
}

function compare(what: string, found: readonly string[], expected: readonly string[]): string[] {
  const counts = new Map<string, number>()
  for (const id of found) counts.set(id, (counts.get(id) ?? 0) + 1)
  const missing = expected.filter((id) => !counts.has(id))
  const repeated = [...counts].filter(([, count]) => count > 1).map(([id]) => id)
  const unexpected = [...counts.keys()].filter((id) => !expected.includes(id))
  return [
    ...missing.map((id) => `${id} was not ${what}`),
    ...repeated.map((id) => `${id} was ${what} more than once`),
    ...unexpected.map((id) => `${id} was ${what} and should not be`),
  ]
}

/** Positions, tally and history in the state. */
function checkState(
  environment: Environment,
  { partitions, shards }: Workload,
  written: number,
  rejected: number,
): string[] {
  const problems: string[] = []
  const { state } = environment
  for (const [name, { length }] of partitions) {
    const found = state.ofKind('partition').find(({ partition }) => partition === `source:${name}`)?.position
    if (found !== length && name !== shards?.damaged)
      problems.push(`partition ${name} is at ${found}, not at ${length}`)
  }
  const [tally] = state.ofKind('tally')
  if (tally?.written !== written) problems.push(`${tally?.written} are counted as written, ${written} exist`)
  if (tally?.rejected !== rejected) problems.push(`${tally?.rejected} are counted as rejected, ${rejected} exist`)
  if (state.ofKind('object').length > 0) problems.push('objects are not published')
  const history = new Map(state.ofKind('history').map((row) => [`${row.destination.bucket}/${row.key}`, row.sha256]))
  for (const [name, { bytes }] of environment.store.objects) {
    if (history.get(name) !== sha256Of(bytes)) problems.push(`${name} has another checksum than the history`)
    history.delete(name)
  }
  for (const name of history.keys()) problems.push(`${name} is in the history, but not in the store`)
  return problems
}

function sha256Of(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
