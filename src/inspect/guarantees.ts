import type { StoreRow } from '../delivery/state/rows.ts'
import { findDedup } from '../config/pipeline.ts'
import type { CheckedComponent, CheckedPipeline } from '../config/pipeline.ts'
import { formatDuration, formatSize } from '../fields/units.ts'
import { Paths } from '../record/paths/path.ts'
import { findComponent } from '../registry.ts'
import { HOUR } from '../time.ts'

/** What a pipeline guarantees with its configuration, and the boundaries of that. */
export interface Guarantees {
  readonly promises: readonly string[]
  /** The conditions under which the promises do not hold. */
  readonly borders: readonly Border[]
}

interface Border {
  readonly what: string
  /** How to move this boundary: an option to change, or another measure. */
  readonly moves: string
}

/** @param stores the stores recorded in the pipeline's state. Undefined if there is no state. */
export async function guaranteesOf(pipeline: CheckedPipeline, stores?: readonly StoreRow[]): Promise<Guarantees> {
  const isStored = pipeline.sinks.every(({ declaration }) => declaration.delivers === 'objects')
  const parts = [
    ledgerOf(),
    isStored ? commitOf() : streamOf(pipeline),
    sinksOf(pipeline),
    routesOf(pipeline),
    dedupOf(pipeline, isStored),
    await customOf(pipeline),
    sourceOf(pipeline, isStored),
    ...(isStored ? [storeOf(pipeline, stores), outboxOf(pipeline), stateOf()] : []),
    rejectsOf(pipeline, isStored),
  ]
  return { promises: parts.flatMap(({ promises }) => promises), borders: parts.flatMap(({ borders }) => borders) }
}

export function renderGuarantees({ promises, borders }: Guarantees): string {
  const lines = [
    '  guarantees',
    ...promises.map((promise) => `    - ${promise}`),
    '  boundaries',
    ...borders.flatMap(({ what, moves }) => [`    - ${what}`, `        to change: ${moves}`]),
  ]
  return `${lines.join('\n')}\n`
}

type CheckedConfig = CheckedComponent<unknown>['config']

function ledgerOf(): Guarantees {
  return {
    promises: [
      'Every record is counted as exactly one of written, dropped, duplicate or rejected. The totals are checked before each commit.',
      'Transforms change only the values that they edit. All other bytes of a record stay as they were read.',
    ],
    borders: [],
  }
}

function commitOf(): Guarantees {
  return {
    promises: [
      'A crash at any time loses no records and writes none twice: positions, dedup keys and objects are committed together, and uncommitted records are read again.',
      'Objects committed before a crash or a store outage are published by the same run or by the next one.',
    ],
    borders: [],
  }
}

function sinksOf({ sinks }: CheckedPipeline): Guarantees {
  if (sinks.length === 1) return { promises: [], borders: [] }
  const names = sinks.map(({ name }) => name).join(', ')
  return {
    promises: [
      `The sinks ${names} commit together: a record is committed for all of its sinks, or for none. The ledger has a line for each sink.`,
    ],
    borders: [
      {
        what: 'The sinks publish on their own: one that is away lags behind the others until it is back.',
        moves: 'nothing is lost meanwhile; `state show` says what waits for which sink',
      },
      {
        what: 'The first roll limit that a sink reaches closes the open objects of all sinks.',
        moves: 'give the sinks the same roll, or each of them a pipeline of its own',
      },
    ],
  }
}

function routesOf({ routes }: CheckedPipeline): Guarantees {
  if (!routes) return { promises: [], borders: [] }
  const { others } = routes
  const rest =
    others === 'drop'
      ? 'is dropped and counted under `routes`'
      : others === 'reject'
        ? 'is rejected with UNROUTED'
        : `goes to ${others.join(' and ')}`
  const hasRest = routes.routes.every(({ when, where }) => when.length > 0 || where !== undefined)
  return {
    promises: [
      `Each record goes to exactly the sinks of the first route that takes it.${hasRest ? ` What no route takes ${rest}.` : ''}`,
    ],
    borders: [
      {
        what: 'A change of the routes affects new records only. A record that was written is not sent to further sinks when it is read again.',
        moves: 'write it to the new sink with a pipeline of its own and a backfill',
      },
    ],
  }
}

function streamOf({ sinks: [sink] }: CheckedPipeline): Guarantees {
  return {
    promises: [],
    borders: [
      {
        what: `The sink ${sink.stage} keeps no state: every run starts from the beginning, and an interrupted run may already have written some records.`,
        moves: 'use an object sink (s3, file)',
      },
    ],
  }
}

/** Approximate memory per dedup key, in bytes. */
const KEY_BYTES = 24

function dedupOf(pipeline: CheckedPipeline, isStored: boolean): Guarantees {
  const dedup = findDedup(pipeline)
  if (!dedup) return withoutDedup(pipeline.source.declaration.repeats, isStored)
  const { key, within, memory, requiresKey } = dedup.settings
  const fields = key.join(', ')
  const reach = isStored ? 'across all runs and backfills' : 'within a run'
  const million = Math.floor(memory / KEY_BYTES / 1e6)
  const borders: Border[] = []
  if (isStored && within !== undefined) {
    borders.push({
      what: `A dedup key expires when the source's progress passes the event time by ${formatDuration(within)}. A copy read after that is written again.`,
      moves: `increase within of ${dedup.stage}`,
    })
  }
  if (isStored) {
    borders.push({
      what: `Dedup keys can use ${formatSize(memory)} of memory, about ${million} million keys at a time. A run that needs more stops without losing keys.`,
      moves:
        within !== undefined
          ? `increase memory or decrease within of ${dedup.stage}`
          : `increase memory of ${dedup.stage}, or set within so that old keys expire`,
    })
  } else {
    borders.push({
      what: `All dedup keys of a run stay in memory. The option memory of ${dedup.stage} does not limit them.`,
      moves: 'use an object sink (s3, file)',
    })
  }
  if (!requiresKey) {
    borders.push({
      what: `Records with an incomplete key (${fields}) are not deduplicated.`,
      moves: `set missing: reject in ${dedup.stage}`,
    })
  }
  return {
    promises: [
      `Of all records with the same ${fields}, only the first is written, ${reach}. The others are counted as duplicates.`,
    ],
    borders,
  }
}

function withoutDedup(repeats: boolean, isStored: boolean): Guarantees {
  const what = repeats
    ? 'The source may read a record more than once, for example in overlapping windows or when a failed page is retried. Each copy is written.'
    : isStored
      ? 'A record that the source reads again is written again, for example from a copied or rewritten file, or after state rewind.'
      : 'A record that the source reads again is written again.'
  return { promises: [], borders: [{ what, moves: 'add a dedup transform' }] }
}

async function customOf(pipeline: CheckedPipeline): Promise<Guarantees> {
  const borders: Border[] = []
  for (const component of pipeline.transforms) {
    const { declaration, stage } = component
    const isProgram = declaration.code !== undefined
    if (isProgram) {
      borders.push({
        what: `${stage} runs a program, which reads records again after a crash: its side effects may happen twice, and another answer makes another record.`,
        moves: 'let it give the same answer for the same record, and change nothing elsewhere',
      })
    }
    if (!isProgram && (await findComponent('transform', declaration.type)) === declaration) continue
    if (!(await isUntied(pipeline, component))) continue
    borders.push({
      what: `${stage} is ${isProgram ? 'a program that adds and removes records' : 'an object stream'}, so its output cannot be matched to its input. Records that it drops or adds show only in the counts of a batch.`,
      moves: isProgram ? 'use lines: one' : 'use a function instead',
    })
  }
  return { promises: [], borders }
}

/**
 * Creates the component to find out. Errors are ignored here, because the pipeline reports them
 * when it runs.
 */
async function isUntied(
  pipeline: CheckedPipeline,
  { declaration, config, stage }: CheckedPipeline['transforms'][number],
) {
  const paths = new Paths()
  const context = { pipeline: pipeline.name, folder: pipeline.folder, stage, paths }
  const [created] = await Promise.allSettled([
    Promise.resolve().then(() => declaration.create(config, { ...context, path: (text) => paths.add(text) })),
  ])
  if (created.status === 'rejected') return false
  const transform = created.value
  if (typeof transform === 'object' && 'close' in transform) await transform.close?.()
  return 'duplex' in transform || ('isUntied' in transform && transform.isUntied === true)
}

function sourceOf({ source }: CheckedPipeline, isStored: boolean): Guarantees {
  const borders: Border[] = []
  const { path, window, repair } = source.config
  if (isWindow(window) && isStored) {
    const { lag, overlap, sweep, sweepEvery = 0, retention } = window
    const reach = lag + Math.max(overlap, (sweep ?? 0) - sweepEvery)
    const back = isRepair(repair) ? repair.back : (window.repair ?? 0)
    const repaired = Math.max(reach, back - BETWEEN_REPAIRS)
    const unseen =
      repaired > reach
        ? ` Events later than ${formatDuration(reach)} are found only by the daily reconciliation with the API's record counts. It does not cover an hour cut by window.since, hours without counts, or hours in which as many events disappeared as arrived.`
        : ''
    borders.push({
      what: `An event that the API shows more than ${formatDuration(repaired)} after its event time may be missed.${unseen}`,
      moves: `increase window.lag, window.overlap${repaired > reach ? ', window.sweep or repair' : ' or window.sweep'} of ${source.stage}, or read a period again with state rewind --to`,
    })
    if (retention !== undefined) {
      borders.push({
        what: `If the collector stops, or is late, by more than ${formatDuration(retention)}, events are lost, because the API has deleted them. The log reports the gap.`,
        moves: 'run the collector often enough; window.retention only describes the API',
      })
    }
  }
  if (isStored && [path].flat().includes('-')) {
    borders.push({
      what: 'Standard input cannot be read twice. If the run is interrupted, uncommitted records are lost.',
      moves: 'read a file instead, or decrease roll.maxAge of the sink',
    })
  }
  return { promises: [], borders }
}

/** Reconciliation runs once a day and covers whole hours only. */
const BETWEEN_REPAIRS = 25 * HOUR

interface Window {
  readonly lag: number
  readonly overlap: number
  readonly sweep?: number
  readonly sweepEvery?: number
  /** jumpcloud only: how far back reconciliation reaches. */
  readonly repair?: number
  readonly retention?: number
}

/** http only. */
function isRepair(repair: unknown): repair is { readonly back: number } {
  return typeof repair === 'object' && repair !== null && 'back' in repair
}

function isWindow(window: unknown): window is Window {
  return typeof window === 'object' && window !== null && 'lag' in window && 'overlap' in window
}

function storeOf({ sinks, rejects }: CheckedPipeline, stores: readonly StoreRow[] | undefined): Guarantees {
  const promise = 'A published object is never overwritten'
  const borders: Border[] = []
  const ignoring = (stores ?? []).filter(({ refusesOverwrite }) => refusesOverwrite === false)
  const isRemote = [...sinks, rejects].some((component) => component?.declaration.type === 's3')
  for (const { name } of ignoring) {
    borders.push({
      what: `${name} ignores If-None-Match: a retried upload may overwrite its own object. The content stays the same, but the modification time and the version change.`,
      moves: 'use a store that honours conditional writes',
    })
  }
  borders.push({
    what: 'A published object that is deleted by someone else is not restored. Exception: the run is interrupted after the object was published and deleted, but before the state recorded it.',
    moves: 'do not delete recent objects; verify finds missing ones',
  })
  const isKnown = stores?.length ? stores.every(({ refusesOverwrite }) => refusesOverwrite) : false
  const known = isRemote && isKnown ? ' (tested: the store honours If-None-Match)' : ''
  const when = stores?.length ? ' (it could not be tested; Amazon S3 does)' : ', which the first published object tests'
  const unknown = isRemote && !isKnown ? ` if the store honours If-None-Match${when}` : ''
  return { promises: ignoring.length > 0 ? [] : [`${promise}${known}${unknown}.`], borders }
}

function outboxOf({ sinks, rejects, source }: CheckedPipeline): Guarantees {
  const budgets = sinks.map(({ name, config }) => {
    return `${budgetOf(config)} of objects${sinks.length > 1 ? ` for ${name}` : ''}`
  })
  const more = rejects ? ` or ${budgetOf(rejects.config)} of rejects` : ''
  const wait = isWindow(source.config.window)
    ? 'reading pauses, and the API may delete unread events'
    : 'reading pauses'
  return {
    promises: [],
    borders: [
      {
        what: `During a store outage, collection continues until ${budgets.join(' or ')}${more} wait on the local disk. Then ${wait}.`,
        moves: `increase outbox.maxBytes of the sink${rejects ? ' and of rejects' : ''}`,
      },
    ],
  }
}

function budgetOf({ outbox }: CheckedConfig): string {
  return isBudget(outbox) ? formatSize(outbox.maxBytes) : 'its budget'
}

function isBudget(outbox: unknown): outbox is { readonly maxBytes: number } {
  return typeof outbox === 'object' && outbox !== null && 'maxBytes' in outbox
}

function stateOf(): Guarantees {
  return {
    promises: [],
    borders: [
      {
        what: 'These guarantees depend on the state folder. If it is lost, everything that the source still has is written again. If an old copy is restored, everything since that copy is written again.',
        moves: 'use replicated storage; verify finds objects written from another copy of the state',
      },
    ],
  }
}

function rejectsOf({ rejects, rejectOptions, limits }: CheckedPipeline, isStored: boolean): Guarantees {
  if (!isStored) {
    const what = 'Rejected records are counted but not stored.'
    return { promises: [], borders: [{ what, moves: 'use an object sink (s3, file)' }] }
  }
  const copied = rejects ? ` and copied to ${rejects.declaration.type}` : ''
  const local = formatSize(rejectOptions.local)
  const lines = `lines that ${rejectOptions.unparsed === 'keep' ? 'are' : 'do not parse or are'} longer than ${formatSize(limits.maxLine)}`
  return {
    promises: [
      `Rejected records are redacted, stored in the state folder${copied}, and committed together with the records around them.`,
    ],
    borders: [
      {
        what: `Local rejects can use ${local}. When that is full, the oldest are deleted${rejects ? ', but not their copies' : ''}.`,
        moves: rejects ? 'increase rejects.local' : 'increase rejects.local, or add a sink to rejects',
      },
      {
        what: `For ${lines}, only position, length and digest are stored.`,
        moves:
          rejectOptions.unparsed === 'keep'
            ? 'increase limits.maxLine'
            : 'set rejects.unparsed: keep, or increase limits.maxLine',
      },
    ],
  }
}
