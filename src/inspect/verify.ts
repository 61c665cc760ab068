import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import pLimit from 'p-limit'
import { folderSink } from '../sinks/file/folder-sink.ts'
import { rejectsFolder } from '../delivery/rejects/local-rejects.ts'
import { remaining } from '../delivery/rejects/reject-numbers.ts'
import { countBySink } from '../delivery/ledger.ts'
import { targetOf } from '../delivery/outbox/target-of.ts'
import { ONLY_SINK, REJECTS, sinkNameOf } from '../delivery/state/rows.ts'
import type { ForgottenRow, HistoryRow, LocalRejectsRow, ObjectRow, RejectCounts } from '../delivery/state/rows.ts'
import { outboxFolder } from '../delivery/open-epoch.ts'
import { fixedPrefix } from '../delivery/outbox/partitioner.ts'
import { parseKeyTemplate } from '../fields/key-template.ts'
import { isHeld } from '../delivery/state/owner-lock.ts'
import { readState } from '../delivery/state/state-reader.ts'
import type { StateReader } from '../delivery/state/state-reader.ts'
import { sum } from '../delivery/tally.ts'
import type { Tally } from '../delivery/tally.ts'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { asSluiceError, SluiceError } from '../errors.ts'
import { plural } from '../observe/report.ts'
import { openObjectSinks } from '../runtime/open-delivery.ts'
import { checkContent } from './stored-content.ts'
import type { ContentProblem, Expected } from './stored-content.ts'

/** Result of `verifyPipeline`. The output is correct if there are no problems. */
export interface Verification {
  readonly pipeline: string
  readonly generation: string
  /** Objects that match the commit history. */
  readonly objects: number
  readonly records: number
  readonly bytes: number
  readonly totals: Tally
  /** Objects that match the commit history, by the name of their sink; `rejects` are among them. */
  readonly sinks: { readonly [name: string]: SinkVerification }
  /** Objects that are committed but not yet published. A problem if no run is working on them. */
  readonly waiting: readonly WaitingObject[]
  readonly problems: readonly VerifyProblem[]
  /** Checks that were not possible. */
  readonly notes: readonly string[]
}

interface SinkVerification {
  readonly objects: number
  readonly records: number
  readonly bytes: number
}

interface WaitingObject {
  readonly key: string
  /** Name of its sink. */
  readonly sink: string
  readonly records: number
}

interface VerifyProblem {
  /**
   * `unpublished`: committed, but not published, and no run is working on it. `foreign`: has a name
   * of this state's generation, but is not in its commit history.
   */
  readonly kind: ContentProblem['kind'] | 'unpublished' | 'foreign' | 'ledger'
  readonly key?: string
  readonly message: string
  /** The store did not answer. */
  readonly isUnavailable?: boolean
}

/**
 * Downloads every published object and compares it with the state. Checks that each object exists
 * with the committed bytes and records, that no committed object is left unpublished, that no
 * object with a name of this pipeline is missing from the commit history, and that the records in
 * all objects add up to the totals of the ledger. An object that cannot be read is a problem, and
 * the others are still checked. Writes nothing. Safe during a run.
 * @throws SluiceError STATE_NOT_FOUND, UNSUPPORTED for a sink without a state
 */
export async function verifyPipeline(
  pipeline: CheckedPipeline,
  stateFolder: string,
  signal: AbortSignal,
): Promise<Verification> {
  const sinks = await openObjectSinks(pipeline)
  const folder = join(stateFolder, pipeline.name)
  try {
    const { generation } = await readState(folder, readFacts)
    const name = `${pipeline.name}-${generation}-`
    const listing = await listGeneration(sinks, pipeline.name, name, signal)
    // Read the state after listing: an object is in the state before it is in the store.
    const { history, waiting, totals, localRejects, counts, owner, forgotten } = await readState(folder, readFacts)
    const isWorking = owner !== undefined && (await isHeld(folder, owner))
    const known = new Set([...history, ...waiting].map(({ key }) => key))
    const foreign = listing.keys
      .filter((key) => !known.has(key) && !isForgotten(key, name, forgotten))
      .map((key): VerifyProblem => ({ kind: 'foreign', key, message: 'not in the commit history' }))

    const limit = pLimit(CONCURRENCY)
    const outage = new Outage()
    const checks = history.map((row) => limit(() => outage.check(() => checkObject(row, sinks, signal))))
    const results = await Promise.all(checks)
    const rejects = await Promise.all(localRejects.map((row) => limit(() => checkLocalRejects(row, folder, signal))))
    const damaged = [...results, ...rejects].flatMap((problem) => (problem && problem !== 'skipped' ? [problem] : []))
    const stuck = isWorking ? [] : await Promise.all(waiting.map((row) => unpublished(row, folder)))
    const intact = history.filter((_, at) => results[at] === undefined)
    return {
      pipeline: pipeline.name,
      generation,
      objects: intact.length,
      records: total(intact, 'records'),
      bytes: total(intact, 'bytes'),
      totals,
      sinks: bySink(intact),
      waiting: waiting.map((row) => ({ key: row.key, sink: sinkNameOf(row), records: row.records })),
      problems: [
        ...stuck,
        ...damaged,
        ...outage.problems(),
        ...listing.problems,
        ...foreign,
        ...checkLedger(totals, { rows: [...history, ...waiting], forgotten }, localRejects, counts),
      ],
      notes: [...listing.notes, ...describeForgotten(forgotten)],
    }
  } finally {
    for (const { sink } of sinks) await sink.close?.()
  }
}

/** Number of objects downloaded at a time. */
const CONCURRENCY = 4

type OpenSink = Awaited<ReturnType<typeof openObjectSinks>>[number]

function readFacts(state: StateReader) {
  const { meta, tally } = state
  if (!meta) throw new SluiceError('STATE_NOT_FOUND', 'the state is not initialized')
  return {
    generation: meta.generation,
    totals: tally,
    history: state.history(),
    forgotten: state.forgotten,
    waiting: state.objects(),
    localRejects: state.localRejects(),
    counts: state.rejectCounts,
    owner: state.owner,
  }
}

async function unpublished({ key, file, records, bytes }: ObjectRow, folder: string): Promise<VerifyProblem> {
  const staged = `${plural(records, 'record')} committed and staged, not published`
  if (file === undefined) return { kind: 'unpublished', key, message: `${staged}; finish the backfill to publish it` }
  const path = join(outboxFolder(folder), file)
  const [found] = await Promise.allSettled([stat(path)])
  const size = found.status === 'fulfilled' ? found.value.size : undefined
  const what = `${plural(records, 'record')} committed, not published`
  if (size === bytes) return { kind: 'unpublished', key, message: `${what}; start the pipeline to publish it` }
  const problem = size === undefined ? 'is missing' : `has ${size} bytes instead of ${bytes}`
  return { kind: 'unpublished', key, message: `${what}, and its file ${path} ${problem}` }
}

/**
 * Whether the object may be of an epoch that is no longer in the history. The names of objects of shards do not
 * show their epoch.
 */
function isForgotten(key: string, name: string, { before }: ForgottenRow): boolean {
  const [, epoch] = /^(\d{8,})-/.exec(key.slice(key.lastIndexOf('/') + 1 + name.length)) ?? []
  return before > 0 && (epoch === undefined || Number(epoch) < before)
}

function describeForgotten({ sinks }: ForgottenRow): string[] {
  const counts = Object.values(sinks)
  const objects = counts.reduce((all, count) => all + count.objects, 0)
  if (objects === 0) return []
  const records = counts.reduce((all, count) => all + count.records, 0)
  return [
    `${plural(objects, 'older object')} with ${plural(records, 'record')} not checked: compact has forgotten them`,
  ]
}

/** Ends the check when the store does not answer any more: each object would take half a minute. */
class Outage {
  #failures = 0
  #skipped = 0

  async check(check: () => Promise<VerifyProblem | undefined>): Promise<VerifyProblem | undefined | 'skipped'> {
    if (this.#failures >= MAX_FAILURES) {
      this.#skipped++
      return 'skipped'
    }
    const problem = await check()
    this.#failures = problem?.isUnavailable === true ? this.#failures + 1 : 0
    return problem
  }

  problems(): VerifyProblem[] {
    if (this.#skipped === 0) return []
    const message = `${plural(this.#skipped, 'further object')} not checked: the store did not answer for ${MAX_FAILURES} objects in a row`
    return [{ kind: 'unreadable', message }]
  }
}

const MAX_FAILURES = 10

interface Listing {
  readonly keys: readonly string[]
  readonly notes: readonly string[]
  readonly problems: readonly VerifyProblem[]
}

/** Keys whose last segment starts with the name of this pipeline and generation. */
async function listGeneration(
  sinks: readonly OpenSink[],
  pipeline: string,
  name: string,
  signal: AbortSignal,
): Promise<Listing> {
  const found: string[] = []
  const notes: string[] = []
  const problems: VerifyProblem[] = []
  for (const { sink, key, type, name: own } of sinks) {
    const place = own === ONLY_SINK ? type : `${own} ${type}`
    if (!sink.list) {
      notes.push(`${place} does not support listing: foreign objects were not searched for`)
      continue
    }
    try {
      for await (const one of sink.list(fixedPrefix(parseKeyTemplate(key), pipeline), signal)) {
        if (one.slice(one.lastIndexOf('/') + 1).startsWith(name)) found.push(one)
      }
    } catch (error) {
      const { message, retryable } = asSluiceError(error, 'SINK_FAILED', 'listing failed')
      if (retryable) problems.push({ kind: 'unreadable', message: `${place} could not be listed: ${message}` })
      else notes.push(`${place}: foreign objects were not searched for: ${message}`)
    }
  }
  return { keys: [...new Set(found)], notes, problems }
}

async function checkObject(
  row: HistoryRow,
  sinks: readonly OpenSink[],
  signal: AbortSignal,
): Promise<VerifyProblem | undefined> {
  const { key } = row
  const sink = (targetOf(row, sinks) ?? sinks.find(({ type }) => type === row.type))?.sink
  if (!sink?.open) {
    return { kind: 'unreadable', key, message: `the pipeline has no ${row.type} sink that can read objects` }
  }
  return withKey(key, await checkContent(row, async () => sink.open?.(row.destination, signal)))
}

/** Ignores files that were deleted or merged during the check: the state does not list them any more. */
async function checkLocalRejects(
  row: LocalRejectsRow,
  folder: string,
  signal: AbortSignal,
): Promise<VerifyProblem | undefined> {
  const path = join(rejectsFolder(folder), row.file)
  const key = join('rejects', row.file)
  const expected: Expected = { ...row, records: row.lines ?? row.records, compression: 'none' }
  const problem = withKey(key, await checkContent(expected, async () => folderSink(folder).open?.({ path }, signal)))
  if (problem?.kind !== 'missing') return problem
  const now = await readState(folder, (state) => state.localRejects())
  return now.some(({ file }) => file === row.file) ? problem : undefined
}

function withKey(key: string, problem: ContentProblem | undefined): VerifyProblem | undefined {
  return problem && { ...problem, key }
}

function checkLedger(
  totals: Tally,
  { rows, forgotten }: { readonly rows: readonly (HistoryRow | ObjectRow)[]; readonly forgotten: ForgottenRow },
  localRejects: readonly LocalRejectsRow[],
  { evicted, replayed, copied }: RejectCounts,
): VerifyProblem[] {
  const { read, added, written, duplicate, rejected } = totals
  const dropped = sum(totals.dropped)
  const copies =
    total(
      rows.filter(({ role }) => role === 'rejects'),
      'records',
    ) + (forgotten.sinks[REJECTS]?.records ?? 0)
  const local = localRejects.reduce((count, row) => count + remaining(row), 0)
  const problems: string[] = []
  if (read + added !== written + dropped + duplicate + rejected) {
    problems.push(
      `${read} read + ${added} added is not equal to ${written} written + ${dropped} dropped + ${duplicate} duplicate + ${rejected} rejected`,
    )
  }
  const found = countBySink(rows)
  for (const sink of new Set([...Object.keys(totals.sinks), ...found.keys()])) {
    const got = (found.get(sink) ?? 0) + (forgotten.sinks[sink]?.records ?? 0)
    const wanted = totals.sinks[sink] ?? 0
    const where = sink === ONLY_SINK ? 'written' : `written to ${sink}`
    if (wanted !== got) problems.push(`${wanted} records were ${where}, but the objects contain ${got}`)
  }
  if (local + evicted + replayed !== rejected) {
    problems.push(
      `${rejected} records were rejected, but ${local} are in the state folder, ${evicted} were deleted and ${replayed} were replayed`,
    )
  }
  if (copies !== copied) problems.push(`${copied} rejects were copied, but the objects contain ${copies}`)
  return problems.map((message) => ({ kind: 'ledger', message }))
}

function bySink(rows: readonly HistoryRow[]): Verification['sinks'] {
  const groups = new Map<string, HistoryRow[]>()
  for (const row of rows) groups.set(sinkNameOf(row), [...(groups.get(sinkNameOf(row)) ?? []), row])
  return Object.fromEntries(
    [...groups].map(([name, own]) => [
      name,
      { objects: own.length, records: total(own, 'records'), bytes: total(own, 'bytes') },
    ]),
  )
}

function total(rows: readonly { readonly records: number; readonly bytes: number }[], what: 'records' | 'bytes') {
  return rows.reduce((all, row) => all + row[what], 0)
}
