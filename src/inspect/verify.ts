import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import pLimit from 'p-limit'
import { decompress } from '../compression/compress.ts'
import type { ObjectTarget } from '../delivery/commit-options.ts'
import { folderSink } from '../sinks/file/folder-sink.ts'
import { rejectsFolder, remaining } from '../delivery/rejects/local-rejects.ts'
import type { HistoryRow, LocalRejectsRow, ObjectRow, RejectCounts, Role } from '../delivery/state/rows.ts'
import { fixedPrefix } from '../delivery/outbox/partitioner.ts'
import { parseKeyTemplate } from '../fields/key-template.ts'
import { readState } from '../delivery/state/state-reader.ts'
import type { StateReader } from '../delivery/state/state-reader.ts'
import { sum } from '../delivery/tally.ts'
import type { Tally } from '../delivery/tally.ts'
import type { ObjectSink } from '../component.ts'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { SluiceError } from '../errors.ts'
import { plural } from '../observe/report.ts'
import { createSink, targetOf } from '../runtime/open-delivery.ts'

/** Result of `verifyPipeline`. The output is correct if there are no problems. */
export interface Verification {
  readonly pipeline: string
  readonly generation: string
  /** Objects that match the commit history. */
  readonly objects: number
  readonly records: number
  readonly bytes: number
  readonly totals: Tally
  /** Objects that are committed but not yet published. */
  readonly waiting: readonly WaitingObject[]
  readonly problems: readonly VerifyProblem[]
  /** Checks that were not possible. */
  readonly notes: readonly string[]
}

interface WaitingObject {
  readonly key: string
  readonly records: number
}

interface VerifyProblem {
  /** `foreign`: has a name of this state's generation, but is not in its commit history. */
  readonly kind: 'missing' | 'altered' | 'foreign' | 'unreadable' | 'ledger'
  readonly key?: string
  readonly message: string
}

/**
 * Downloads every published object and compares it with the state. Checks that each object exists
 * with the committed bytes and records, that no object with a name of this pipeline is missing from
 * the commit history, and that the records in all objects add up to the totals of the ledger.
 * Writes nothing. Safe during a run.
 * @throws SluiceError STATE_NOT_FOUND, UNSUPPORTED for a sink without a state, SINK_UNAVAILABLE
 */
export async function verifyPipeline(
  pipeline: CheckedPipeline,
  stateFolder: string,
  signal: AbortSignal,
): Promise<Verification> {
  if (pipeline.sink.declaration.delivers !== 'objects') {
    throw new SluiceError('UNSUPPORTED', `the sink ${pipeline.sink.stage} is a stream and has no objects to verify`)
  }
  const folder = join(stateFolder, pipeline.name)
  const { generation } = await readState(folder, readFacts)
  const sinks = await openSinks(pipeline)
  const notes: string[] = []
  try {
    const name = `${pipeline.name}-${generation}-`
    const listed = await listGeneration(sinks, pipeline.name, name, notes, signal)
    // Read the state after listing: an object is in the state before it is in the store.
    const { history, waiting, totals, localRejects, counts } = await readState(folder, readFacts)
    const known = new Set([...history, ...waiting].map(({ key }) => key))
    const foreign = listed
      .filter((key) => !known.has(key))
      .map((key): VerifyProblem => ({ kind: 'foreign', key, message: 'not in the commit history' }))

    const limit = pLimit(CONCURRENCY)
    const checks = history.map((row) => limit(() => checkObject(row, sinks, signal)))
    const results = await Promise.all(checks)
    const rejects = await Promise.all(localRejects.map((row) => limit(() => checkLocalRejects(row, folder, signal))))
    const damaged = [...results, ...rejects].flatMap((problem) => problem ?? [])
    const intact = history.filter((_, at) => results[at] === undefined)
    return {
      pipeline: pipeline.name,
      generation,
      objects: intact.length,
      records: total(intact, 'records'),
      bytes: total(intact, 'bytes'),
      totals,
      waiting: waiting.map(({ key, records }) => ({ key, records })),
      problems: [...damaged, ...foreign, ...checkLedger(totals, [...history, ...waiting], localRejects, counts)],
      notes,
    }
  } finally {
    for (const { sink } of sinks) await sink.close?.()
  }
}

/** Number of objects downloaded at a time. */
const CONCURRENCY = 4

interface OpenSink {
  readonly role: Role
  readonly type: string
  readonly key: string
  readonly sink: ObjectSink
}

function readFacts(state: StateReader) {
  const { meta, tally } = state
  if (!meta) throw new SluiceError('STATE_NOT_FOUND', 'the state is not initialized')
  return {
    generation: meta.generation,
    totals: tally,
    history: state.history(),
    waiting: state.objects(),
    localRejects: state.localRejects(),
    counts: state.rejectCounts,
  }
}

async function openSinks(pipeline: CheckedPipeline): Promise<OpenSink[]> {
  const open = async (role: Role, component: CheckedPipeline['sink']): Promise<OpenSink> => {
    const { type, key, sink }: ObjectTarget = targetOf(component, await createSink(pipeline, component))
    return { role, type, key, sink }
  }
  const sinks = [await open('sink', pipeline.sink)]
  if (pipeline.rejects) sinks.push(await open('rejects', pipeline.rejects))
  return sinks
}

/** Keys whose last segment starts with the name of this pipeline and generation. */
async function listGeneration(
  sinks: readonly OpenSink[],
  pipeline: string,
  name: string,
  notes: string[],
  signal: AbortSignal,
): Promise<string[]> {
  const found: string[] = []
  for (const { sink, key, type, role } of sinks) {
    const place = `${role === 'rejects' ? 'rejects ' : ''}${type}`
    if (!sink.list) {
      notes.push(`${place} does not support listing: foreign objects were not searched for`)
      continue
    }
    try {
      for await (const one of sink.list(fixedPrefix(parseKeyTemplate(key), pipeline), signal)) {
        if (one.slice(one.lastIndexOf('/') + 1).startsWith(name)) found.push(one)
      }
    } catch (error) {
      if (!(error instanceof SluiceError) || error.retryable) throw error
      notes.push(`${place}: foreign objects were not searched for: ${error.message}`)
    }
  }
  return [...new Set(found)]
}

async function checkObject(
  row: HistoryRow,
  sinks: readonly OpenSink[],
  signal: AbortSignal,
): Promise<VerifyProblem | undefined> {
  const { key } = row
  const candidates = sinks.filter(({ type }) => type === row.type)
  const sink = (candidates.find(({ role }) => role === row.role) ?? candidates[0])?.sink
  if (!sink?.open) {
    return { kind: 'unreadable', key, message: `the pipeline has no ${row.type} sink that can read objects` }
  }
  return compare(row, sink.open(row.destination, signal), row.compression)
}

/**
 * Ignores rejects that were deleted during the check, because the state does not list them any
 * more.
 */
async function checkLocalRejects(
  row: LocalRejectsRow,
  folder: string,
  signal: AbortSignal,
): Promise<VerifyProblem | undefined> {
  const path = join(rejectsFolder(folder), row.file)
  const key = join('rejects', row.file)
  const problem = await compare({ ...row, key }, folderSink(folder).open?.({ path }, signal), 'none')
  if (problem?.kind !== 'missing') return problem
  const now = await readState(folder, (state) => state.localRejects())
  return now.some(({ epoch }) => epoch === row.epoch) ? problem : undefined
}

async function compare(
  { key, records, bytes, sha256 }: Pick<HistoryRow, 'key' | 'records' | 'bytes' | 'sha256'>,
  opening: Promise<AsyncIterable<Uint8Array> | undefined> | undefined,
  compression: ObjectRow['compression'],
): Promise<VerifyProblem | undefined> {
  try {
    const body = await opening
    if (!body) return { kind: 'missing', key, message: `not found (${plural(records, 'record')})` }
    const found = await measure(body, compression)
    if (found.bytes !== bytes) return altered(key, `has ${found.bytes} bytes instead of ${bytes}`)
    if (found.sha256 !== sha256) return altered(key, `has sha256 ${found.sha256} instead of ${sha256}`)
    if (found.records === records) return undefined
    return altered(key, `has ${found.records} records instead of ${records}`)
  } catch (error) {
    if (!(error instanceof SluiceError)) return altered(key, `cannot be decompressed: ${String(error)}`)
    if (error.retryable) throw error
    return { kind: 'unreadable', key, message: error.message }
  }
}

function altered(key: string, message: string): VerifyProblem {
  return { kind: 'altered', key, message }
}

async function measure(body: AsyncIterable<Uint8Array>, compression: ObjectRow['compression']) {
  const hash = createHash('sha256')
  let bytes = 0
  const measured = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      hash.update(chunk)
      bytes += chunk.length
      yield chunk
    }
  }
  let records = 0
  const text: AsyncIterable<Uint8Array> = decompress(Readable.from(measured()), compression)
  for await (const chunk of text) {
    for (let at = chunk.indexOf(LINE_FEED); at >= 0; at = chunk.indexOf(LINE_FEED, at + 1)) records++
  }
  return { bytes, sha256: hash.digest('hex'), records }
}

const LINE_FEED = 0x0a

function checkLedger(
  totals: Tally,
  rows: readonly (HistoryRow | ObjectRow)[],
  localRejects: readonly LocalRejectsRow[],
  { evicted, replayed, copied }: RejectCounts,
): VerifyProblem[] {
  const { read, added, written, duplicate, rejected } = totals
  const dropped = sum(totals.dropped)
  const inObjects = (role: Role) =>
    total(
      rows.filter((row) => row.role === role),
      'records',
    )
  const local = localRejects.reduce((count, row) => count + remaining(row), 0)
  const problems: string[] = []
  if (read + added !== written + dropped + duplicate + rejected) {
    problems.push(
      `${read} read + ${added} added is not equal to ${written} written + ${dropped} dropped + ${duplicate} duplicate + ${rejected} rejected`,
    )
  }
  if (inObjects('sink') !== written)
    problems.push(`${written} records were written, but the objects contain ${inObjects('sink')}`)
  if (local + evicted + replayed !== rejected) {
    problems.push(
      `${rejected} records were rejected, but ${local} are in the state folder, ${evicted} were deleted and ${replayed} were replayed`,
    )
  }
  if (inObjects('rejects') !== copied) {
    problems.push(`${copied} rejects were copied, but the objects contain ${inObjects('rejects')}`)
  }
  return problems.map((message) => ({ kind: 'ledger', message }))
}

function total(rows: readonly { readonly records: number; readonly bytes: number }[], what: 'records' | 'bytes') {
  return rows.reduce((all, row) => all + row[what], 0)
}
