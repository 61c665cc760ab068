import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import pLimit from 'p-limit'
import { unpack } from '../compression/compress.ts'
import type { ObjectTarget } from '../delivery/commit.ts'
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
import { createSink, targetOf } from '../runtime/open-delivery.ts'

/** What `verifyPipeline` found. All is well when there are no problems. */
export interface Verification {
  readonly pipeline: string
  readonly generation: string
  /** Objects that are there as they were committed. */
  readonly objects: number
  readonly records: number
  readonly bytes: number
  readonly totals: Tally
  /** Committed and not yet published. */
  readonly waiting: readonly Listed[]
  readonly problems: readonly VerifyProblem[]
  /** What could not be looked at. */
  readonly notes: readonly string[]
}

interface Listed {
  readonly key: string
  readonly records: number
}

interface VerifyProblem {
  /** `foreign`: named as ours, and nothing here knows of it. */
  readonly kind: 'missing' | 'altered' | 'foreign' | 'unreadable' | 'ledger'
  readonly key?: string
  readonly message: string
}

/**
 * Reads every published object back and holds it against the state: each is there with the bytes and records that were committed, none is
 * named as ours that the state does not know, and the records of all objects are those that the ledger counts. Writes nothing; works beside a
 * run.
 * @throws SluiceError STATE_NOT_FOUND, UNSUPPORTED for a sink without a state, SINK_UNAVAILABLE
 */
export async function verifyPipeline(
  pipeline: CheckedPipeline,
  stateFolder: string,
  signal: AbortSignal,
): Promise<Verification> {
  if (pipeline.sink.declaration.delivers !== 'objects') {
    throw new SluiceError('UNSUPPORTED', `the sink ${pipeline.sink.stage} keeps nothing that could be verified`)
  }
  const folder = join(stateFolder, pipeline.name)
  const { generation } = await readState(folder, look)
  const sinks = await openSinks(pipeline)
  const notes: string[] = []
  try {
    const name = `${pipeline.name}-${generation}-`
    const listed = await listOurs(sinks, pipeline.name, name, notes, signal)
    // Only now: what was published while the keys were listed is in the state before it is in the store.
    const { history, waiting, totals, kept, counts } = await readState(folder, look)
    const known = new Set([...history, ...waiting].map(({ key }) => key))
    const foreign = listed
      .filter((key) => !known.has(key))
      .map((key): VerifyProblem => ({ kind: 'foreign', key, message: 'the state knows nothing of it' }))

    const limit = pLimit(CONCURRENCY)
    const checks = history.map((row) => limit(() => checkObject(row, sinks, signal)))
    const results = await Promise.all(checks)
    const lost = await Promise.all(kept.map((row) => limit(() => checkKept(row, folder, signal))))
    const damaged = [...results, ...lost].flatMap((problem) => problem ?? [])
    const sound = history.filter((_, at) => results[at] === undefined)
    return {
      pipeline: pipeline.name,
      generation,
      objects: sound.length,
      records: total(sound, 'records'),
      bytes: total(sound, 'bytes'),
      totals,
      waiting: waiting.map(({ key, records }) => ({ key, records })),
      problems: [...damaged, ...foreign, ...checkLedger(totals, [...history, ...waiting], kept, counts)],
      notes,
    }
  } finally {
    for (const { sink } of sinks) await sink.close?.()
  }
}

/** Objects that are read at once. */
const CONCURRENCY = 4

interface OpenSink {
  readonly role: Role
  readonly type: string
  readonly key: string
  readonly sink: ObjectSink
}

function look(state: StateReader) {
  const { meta, tally } = state
  if (!meta) throw new SluiceError('STATE_NOT_FOUND', 'the state was never opened to its end')
  return {
    generation: meta.generation,
    totals: tally,
    history: state.history(),
    waiting: state.objects(),
    kept: state.localRejects(),
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

/** Keys with our name in their last segment. */
async function listOurs(
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
      notes.push(`${place} cannot be listed: foreign objects were not looked for`)
      continue
    }
    try {
      for await (const one of sink.list(fixedPrefix(parseKeyTemplate(key), pipeline), signal)) {
        if (one.slice(one.lastIndexOf('/') + 1).startsWith(name)) found.push(one)
      }
    } catch (error) {
      if (!(error instanceof SluiceError) || error.retryable) throw error
      notes.push(`${place}: foreign objects were not looked for: ${error.message}`)
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
  const able = sinks.filter(({ type }) => type === row.type)
  const sink = (able.find(({ role }) => role === row.role) ?? able[0])?.sink
  if (!sink?.open) {
    return { kind: 'unreadable', key, message: `the pipeline has no sink ${row.type} that can read it back` }
  }
  return compare(row, sink.open(row.destination, signal), row.compression)
}

/** Local rejects that went while we looked are none of our business: the state has forgotten them. */
async function checkKept(
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
    if (!body) return { kind: 'missing', key, message: `${records} records are gone` }
    const found = await measure(body, compression)
    if (found.bytes !== bytes) return altered(key, `it has ${found.bytes} bytes, ${bytes} were committed`)
    if (found.sha256 !== sha256) return altered(key, `its sha256 is ${found.sha256}, ${sha256} was committed`)
    if (found.records === records) return undefined
    return altered(key, `it has ${found.records} records, ${records} were committed`)
  } catch (error) {
    if (!(error instanceof SluiceError)) return altered(key, `it cannot be unpacked: ${String(error)}`)
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
  const watched = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      hash.update(chunk)
      bytes += chunk.length
      yield chunk
    }
  }
  let records = 0
  const text: AsyncIterable<Uint8Array> = unpack(Readable.from(watched()), compression)
  for await (const chunk of text) {
    for (let at = chunk.indexOf(LINE_FEED); at >= 0; at = chunk.indexOf(LINE_FEED, at + 1)) records++
  }
  return { bytes, sha256: hash.digest('hex'), records }
}

const LINE_FEED = 0x0a

function checkLedger(
  totals: Tally,
  rows: readonly (HistoryRow | ObjectRow)[],
  kept: readonly LocalRejectsRow[],
  { evicted, replayed, copied }: RejectCounts,
): VerifyProblem[] {
  const { read, added, written, duplicate, rejected } = totals
  const dropped = sum(totals.dropped)
  const inObjects = (role: Role) =>
    total(
      rows.filter((row) => row.role === role),
      'records',
    )
  const local = kept.reduce((count, row) => count + remaining(row), 0)
  const problems: string[] = []
  if (read + added !== written + dropped + duplicate + rejected) {
    problems.push(
      `${read} read and ${added} added are not ${written} written, ${dropped} dropped, ${duplicate} duplicate and ${rejected} rejected`,
    )
  }
  if (inObjects('sink') !== written) problems.push(`${written} were written, the objects have ${inObjects('sink')}`)
  if (local + evicted + replayed !== rejected) {
    problems.push(
      `${rejected} were rejected, ${local} are kept in the state folder, ${evicted} were let go and ${replayed} replayed`,
    )
  }
  if (inObjects('rejects') !== copied) {
    problems.push(`${copied} rejects were copied, the objects have ${inObjects('rejects')}`)
  }
  return problems.map((message) => ({ kind: 'ledger', message }))
}

function total(rows: readonly { readonly records: number; readonly bytes: number }[], what: 'records' | 'bytes') {
  return rows.reduce((all, row) => all + row[what], 0)
}
