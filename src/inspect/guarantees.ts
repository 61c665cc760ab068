import type { StoreRow } from '../delivery/state/rows.ts'
import { findDedup } from '../config/pipeline.ts'
import type { CheckedComponent, CheckedPipeline } from '../config/pipeline.ts'
import { formatDuration, formatSize } from '../fields/units.ts'
import { Paths } from '../record/paths/path.ts'
import { findComponent } from '../registry.ts'
import { HOUR } from '../time.ts'

/** What a pipeline promises as it is configured, and where that ends. */
export interface Guarantees {
  readonly promises: readonly string[]
  readonly borders: readonly Border[]
}

interface Border {
  readonly what: string
  /** Which options, or what else, would move it. */
  readonly moves: string
}

/** @param stores what the pipeline's state knows of its stores; undefined where there is no state. */
export async function guaranteesOf(pipeline: CheckedPipeline, stores?: readonly StoreRow[]): Promise<Guarantees> {
  const isKept = pipeline.sink.declaration.delivers === 'objects'
  const parts = [
    ledgerOf(),
    isKept ? commitOf() : streamOf(pipeline),
    dedupOf(pipeline, isKept),
    await customOf(pipeline),
    sourceOf(pipeline, isKept),
    ...(isKept ? [storeOf(pipeline, stores), outboxOf(pipeline), stateOf()] : []),
    rejectsOf(pipeline, isKept),
  ]
  return { promises: parts.flatMap(({ promises }) => promises), borders: parts.flatMap(({ borders }) => borders) }
}

export function renderGuarantees({ promises, borders }: Guarantees): string {
  const lines = [
    '  promises',
    ...promises.map((promise) => `    - ${promise}`),
    '  borders',
    ...borders.flatMap(({ what, moves }) => [`    - ${what}`, `        moved by: ${moves}`]),
  ]
  return `${lines.join('\n')}\n`
}

type CheckedConfig = CheckedComponent<unknown>['config']

function ledgerOf(): Guarantees {
  return {
    promises: [
      'Every record that is read ends as exactly one of written, dropped, duplicate or rejected; the sums are checked before each commit.',
      'What no transform edits leaves byte for byte as it came.',
    ],
    borders: [],
  }
}

function commitOf(): Guarantees {
  return {
    promises: [
      'A crash at any moment loses nothing and writes nothing twice: positions, keys and objects are committed together, and what was not committed is read again.',
      'What was committed before a store went away, or before a crash, is published by the same run or the next.',
    ],
    borders: [],
  }
}

function streamOf({ sink }: CheckedPipeline): Guarantees {
  return {
    promises: [],
    borders: [
      {
        what: `The sink ${sink.stage} remembers nothing: every run begins at the beginning, and a run that is cut off may have written a part.`,
        moves: 'an object sink (s3, file)',
      },
    ],
  }
}

/** About what a claim needs, in bytes. */
const KEY_BYTES = 32

function dedupOf(pipeline: CheckedPipeline, isKept: boolean): Guarantees {
  const dedup = findDedup(pipeline)
  if (!dedup) return withoutDedup(pipeline.source.declaration.repeats, isKept)
  const { key, within, memory, requiresKey } = dedup.settings
  const fields = key.join(', ')
  const reach = isKept ? 'over all runs and backfills' : 'within a run'
  const million = Math.floor(memory / KEY_BYTES / 1e6)
  const borders: Border[] = []
  if (isKept && within !== undefined) {
    borders.push({
      what: `Of two copies that are read more than ${formatDuration(within)} apart (in event time, behind the progress of the source) both are written.`,
      moves: `within of ${dedup.stage}`,
    })
  }
  if (isKept) {
    borders.push({
      what: `Keys have ${formatSize(memory)} of memory, some ${million} million of them at once; a run that needs more stops, and forgets nothing.`,
      moves:
        within !== undefined
          ? `memory and within of ${dedup.stage}`
          : `memory of ${dedup.stage}; or within, so that old keys go`,
    })
  } else {
    borders.push({
      what: `The keys of a run are all held in memory, whatever memory of ${dedup.stage} says.`,
      moves: 'an object sink (s3, file)',
    })
  }
  if (!requiresKey) {
    borders.push({
      what: `Records that lack a part of the key (${fields}) are written as often as they are read.`,
      moves: `missing: reject of ${dedup.stage}`,
    })
  }
  return { promises: [`Of records with the same ${fields} one is written, ${reach}; the others are counted.`], borders }
}

function withoutDedup(repeats: boolean, isKept: boolean): Guarantees {
  const what = repeats
    ? 'The source may yield a record again (windows overlap, a page that failed is read again), and each time it is written.'
    : isKept
      ? 'A record that the source yields again (a file that was copied or rewritten, state rewind) is written again.'
      : 'A record that the source yields again is written again.'
  return { promises: [], borders: [{ what, moves: 'a dedup transform' }] }
}

async function customOf(pipeline: CheckedPipeline): Promise<Guarantees> {
  const borders: Border[] = []
  for (const component of pipeline.transforms) {
    if (findComponent('transform', component.declaration.type) === component.declaration) continue
    if (!(await isDuplex(pipeline, component))) continue
    borders.push({
      what: `${component.stage} is an object stream: what comes out of it cannot be tied to what went in, so a record that it swallows or makes is only known by the counts of a batch.`,
      moves: 'a function in its place',
    })
  }
  return { promises: [], borders }
}

/** Only the component itself can tell. One that cannot be made here says so when the pipeline runs. */
async function isDuplex(
  pipeline: CheckedPipeline,
  { declaration, config, stage }: CheckedPipeline['transforms'][number],
) {
  const paths = new Paths()
  const context = { pipeline: pipeline.name, folder: pipeline.folder, stage, paths }
  const [made] = await Promise.allSettled([
    Promise.resolve().then(() => declaration.create(config, { ...context, path: (text) => paths.add(text) })),
  ])
  if (made.status === 'rejected') return false
  const transform = made.value
  if (typeof transform === 'object' && 'close' in transform) await transform.close?.()
  return 'duplex' in transform
}

function sourceOf({ source }: CheckedPipeline, isKept: boolean): Guarantees {
  const borders: Border[] = []
  const { path, window, repair } = source.config
  if (isWindow(window) && isKept) {
    const { lag, overlap, sweep, sweepEvery = 0, retention } = window
    const reach = lag + Math.max(overlap, (sweep ?? 0) - sweepEvery)
    const back = isRepair(repair) ? repair.back : (window.repair ?? 0)
    const repaired = Math.max(reach, back - BETWEEN_REPAIRS)
    const unseen =
      repaired > reach
        ? ` What comes after ${formatDuration(reach)} is found once a day, by the counts of the API alone: not in an hour that window.since cuts, not where the API does not tell them, nor where as many events of that hour have vanished as came.`
        : ''
    borders.push({
      what: `An event that the API shows more than ${formatDuration(repaired)} after its time may be missed.${unseen}`,
      moves: `window.lag, window.overlap, window.sweep${repaired > reach ? ', repair' : ''} of ${source.stage}; state rewind --to reads a time again`,
    })
    if (retention !== undefined) {
      borders.push({
        what: `A collector that stands still, or cannot keep up, for ${formatDuration(retention)} leaves a gap: the API keeps no more. The log tells it.`,
        moves: 'running it; window.retention only says what the API does',
      })
    }
  }
  if (isKept && [path].flat().includes('-')) {
    borders.push({
      what: 'Standard input comes once: what was taken from it and not committed when the run is cut off is gone.',
      moves: 'a file in its place; roll.maxAge of the sink for less of it',
    })
  }
  return { promises: [], borders }
}

/** Counts are compared once a day, and only those of whole hours. */
const BETWEEN_REPAIRS = 25 * HOUR

interface Window {
  readonly lag: number
  readonly overlap: number
  readonly sweep?: number
  readonly sweepEvery?: number
  /** Of jumpcloud: how far back. */
  readonly repair?: number
  readonly retention?: number
}

/** Of http. */
function isRepair(repair: unknown): repair is { readonly back: number } {
  return typeof repair === 'object' && repair !== null && 'back' in repair
}

function isWindow(window: unknown): window is Window {
  return typeof window === 'object' && window !== null && 'lag' in window && 'overlap' in window
}

function storeOf({ sink, rejects }: CheckedPipeline, stores: readonly StoreRow[] | undefined): Guarantees {
  const promise = 'An object, once visible, is never written again'
  const borders: Border[] = []
  const ignoring = (stores ?? []).filter(({ refusesOverwrite }) => !refusesOverwrite)
  const isRemote = [sink, rejects].some((component) => component?.declaration.type === 's3')
  for (const { name } of ignoring) {
    borders.push({
      what: `${name} ignores If-None-Match: an object whose upload is tried again may replace itself. Its bytes stay the same, its time and version do not.`,
      moves: 'a store that honours conditional writes',
    })
  }
  borders.push({
    what: 'An object that somebody takes away after it became visible is not written again; but one taken away between that and its record in the state, when the run is cut off there, is.',
    moves: 'leaving recent objects alone; verify finds what is missing',
  })
  const known = isRemote && ignoring.length === 0 && stores?.length ? ' (tried: the store refuses it)' : ''
  const unknown = isRemote && !stores?.length ? ', if the store honours If-None-Match; the first object will show' : ''
  return { promises: ignoring.length > 0 ? [] : [`${promise}${known}${unknown}.`], borders }
}

function outboxOf({ sink, rejects, source }: CheckedPipeline): Guarantees {
  const more = rejects ? `, ${budgetOf(rejects.config)} of rejects` : ''
  const wait = isWindow(source.config.window)
    ? 'reading waits, and the API may forget what is not read'
    : 'reading waits'
  return {
    promises: [],
    borders: [
      {
        what: `A store that is away does not stop collecting until ${budgetOf(sink.config)} of objects wait on the local disk${more}; then ${wait}.`,
        moves: 'outbox.maxBytes of the sink, and of rejects',
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
        what: 'The state folder is the memory of all this. Lost, what the source still has is written again; copied or put back, what was written since.',
        moves: 'a disk that is replicated; verify finds objects of a copy',
      },
    ],
  }
}

function rejectsOf({ rejects, rejectOptions, limits }: CheckedPipeline, isKept: boolean): Guarantees {
  if (!isKept) {
    const what = 'Rejected records are counted, and not kept.'
    return { promises: [], borders: [{ what, moves: 'an object sink (s3, file)' }] }
  }
  const copied = rejects ? ` and copied to ${rejects.declaration.type}` : ''
  const local = formatSize(rejectOptions.local)
  const line = `a line that ${rejectOptions.unparsed === 'keep' ? 'is' : 'does not parse or is'} longer than ${formatSize(limits.maxLine)}`
  return {
    promises: [
      `Rejected records are kept in the state folder${copied}, with the redactions of the pipeline, in the same commit as their neighbours.`,
    ],
    borders: [
      {
        what: `Local rejects have ${local}; when they need more, the oldest are deleted${rejects ? ', not those that were copied' : ''}.`,
        moves: rejects ? 'rejects.local' : 'rejects.local, or a sink in rejects',
      },
      {
        what: `Of ${line} only place, length and digest are kept.`,
        moves: rejectOptions.unparsed === 'keep' ? 'limits.maxLine' : 'rejects.unparsed; limits.maxLine',
      },
    ],
  }
}
