import { plural } from '../../observe/report.ts'
import { startOf, whyNotResumed } from '../content/position.ts'
import type { ContentSettings } from '../content/position.ts'
import { findObject } from './find-object.ts'
import { nameOf } from './get-range.ts'
import type { ObjectIdentity } from './get-range.ts'
import type { KeyPattern } from './key-pattern.ts'
import { compareKeys } from './list-objects.ts'
import type { ListedObject } from './list-objects.ts'
import type { ObjectPosition } from './position.ts'
import type { Progress } from './progress.ts'
import { selectObjects } from './select-objects.ts'
import type { Store } from './store.ts'
import type { Note } from '../../observe/messages/table.ts'

/** How the objects of a path are found and read. */
export interface PathSettings {
  readonly content: ContentSettings
  readonly since: number | undefined
  readonly until: number | undefined
  /** In milliseconds. 0: keys that sort before the last one read are never looked for. */
  readonly lookBack: number
  readonly lookBackEvery: number
  /** Version of the only object. */
  readonly versionId: string | undefined
}

/** An object that is to be read. */
export interface Task {
  readonly listed: ListedObject
  readonly object: ObjectIdentity
  /** Where its stored bytes are read from. */
  readonly start: number
  readonly from: ObjectPosition | undefined
  /** `again`: it was read in part, or failed, before this list began. */
  readonly turn: 'listed' | 'again'
}

interface Path {
  readonly store: Store
  readonly pattern: KeyPattern
  readonly settings: PathSettings
  readonly progress: Progress
}

/** What a list of objects has found. */
export class Found {
  objects = 0
  readonly #skipped = new Map<keyof typeof SKIPPED, { count: number; readonly first: string }>()

  /** Counts an object. @returns true if it holds nothing to read. */
  skips({ key, bytes }: ListedObject, name: string): boolean {
    this.objects++
    if (bytes > 0) return false
    // Consoles make an empty object whose key ends in a slash, and some tools `name_$folder$`.
    const reason = key.endsWith('/') || key.endsWith('_$folder$') ? 'folder' : 'empty'
    const { count = 0, first = name } = this.#skipped.get(reason) ?? {}
    this.#skipped.set(reason, { count: count + 1, first })
    return true
  }

  log(note: Note): void {
    for (const [reason, { count, first }] of this.#skipped) {
      const others = count > 1 ? ` and ${plural(count - 1, 'other')}` : ''
      note('s3.skipped', { reason: SKIPPED[reason], count, objects: first + others })
    }
  }
}

const SKIPPED = { empty: 'empty objects', folder: 'objects that mark folders' } as const

/**
 * Objects that were not read to their end before.
 * @param isFirst False: of those that failed, only what has been replaced since.
 */
export async function* tasksAgain(
  { store, settings, progress }: Path,
  isFirst: boolean,
  { signal, note }: { readonly signal: AbortSignal; readonly note: Note },
): AsyncGenerator<Task, void> {
  for (const before of progress.incomplete) {
    const { versionId } = settings
    const listed = await findObject(store, before.key, { versionId, signal })
    if (listed === undefined) {
      note('s3.gone', { object: nameOf(store, before.key) })
      progress.forget(before.key)
      continue
    }
    if (!isFirst && before.etag === listed.etag && before.bytes === listed.bytes) continue
    const from = resume(before, listed, settings.content, (what, facts) =>
      note('s3.restarted', { what, object: nameOf(store, before.key), ...facts }),
    )
    yield { listed, object: identityOf(listed, settings), start: storedStart(from), from, turn: 'again' }
  }
}

/** Where the stored bytes are read from to resume at a position. */
export function storedStart(from: ObjectPosition | undefined): number {
  return from?.content === undefined || from.isCompressed === true ? 0 : startOf(from.content)
}

/**
 * Objects that no run has read.
 * @param turn `all`: also late keys. `after`: keys after the last one read.
 */
export async function* tasksListed(
  path: Path,
  turn: 'all' | 'after',
  found: Found,
  signal: AbortSignal,
): AsyncGenerator<Task, void> {
  const { store, settings, progress } = path
  for await (const listed of list(path, turn, signal)) {
    if (found.skips(listed, nameOf(store, listed.key)) || !progress.isNew(listed)) continue
    yield { listed, object: identityOf(listed, settings), start: 0, from: undefined, turn: 'listed' }
  }
}

function identityOf({ key, etag, bytes }: ListedObject, { versionId }: PathSettings): ObjectIdentity {
  return { key, etag, bytes, version: versionId }
}

async function* list(
  { store, pattern, settings, progress }: Path,
  turn: 'all' | 'after',
  signal: AbortSignal,
): AsyncGenerator<ListedObject, void> {
  const { since, until, versionId } = settings
  const { after, at, lateFrom } = progress
  if (versionId !== undefined) {
    const only = await findObject(store, pattern.prefix, { versionId, signal })
    if (only !== undefined && after === undefined) yield only
    return
  }
  if (turn === 'all' && after !== undefined && (at === undefined || compareKeys(at, after) < 0)) {
    const late = { after: at, since: Math.max(since ?? -Infinity, lateFrom), until, signal }
    for await (const object of selectObjects(store, pattern, late)) {
      if (compareKeys(object.key, after) > 0) break
      if (progress.isLate(object)) yield object
    }
  }
  yield* selectObjects(store, pattern, { after, since, until, signal })
}

/** The position in an object that was read in part, if it is the same object and read in the same way. */
function resume(
  before: ObjectPosition,
  { etag, bytes }: ListedObject,
  settings: ContentSettings,
  restarted: (what: string, facts: { readonly [name: string]: string }) => void,
): ObjectPosition | undefined {
  if (before.content === undefined) return undefined
  const isSame = before.etag === etag && before.bytes === bytes
  const changed = isSame ? whyNotResumed(before.content, settings) : { what: 'the object was replaced', facts: {} }
  if (changed === undefined) return before
  restarted(changed.what, changed.facts)
  return undefined
}
