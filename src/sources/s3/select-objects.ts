import type { DateFolders, KeyPattern } from './key-pattern.ts'
import { compareKeys, listFolders, listObjects } from './list-objects.ts'
import type { ListedObject } from './list-objects.ts'
import type { Store } from './store.ts'

export interface Selection {
  /** Only keys after this one. */
  readonly after?: string | undefined
  /**
   * Only objects since this time and before `until`: by the date in their keys, or by LastModified
   * where keys have none. Milliseconds since 1970.
   */
  readonly since?: number | undefined
  readonly until?: number | undefined
  readonly signal: AbortSignal
}

/**
 * The objects of a pattern, in the order of their keys. Where the dates of keys allow it, only the
 * folders that can hold one are listed.
 */
export async function* selectObjects(
  store: Store,
  pattern: KeyPattern,
  selection: Selection,
): AsyncGenerator<ListedObject, void> {
  const { after, since = -Infinity, until = Infinity, signal } = selection
  const isLimited = since > -Infinity || until < Infinity
  const isWithin = ({ key, modified }: ListedObject): boolean => {
    if (!isLimited) return true
    const { from, to } = pattern.timeOf(key) ?? { from: modified, to: modified + 1 }
    return from < until && to > since
  }
  const folders = isLimited ? pattern.dateFolders : undefined
  if (folders === undefined) {
    for await (const object of listObjects(store, { prefix: pattern.prefix, after, signal })) {
      if (pattern.matches(object.key) && isWithin(object)) yield object
    }
    return
  }
  for await (const folder of findFolders(store, folders.levels, selection)) {
    const start = since > -Infinity ? folder + folders.start(Math.max(0, since)) : undefined
    const from = later(after, start)
    for await (const object of listObjects(store, { prefix: folder + folders.lead, after: from, signal })) {
      const time = pattern.timeOf(object.key)
      // Later keys of this folder have later dates.
      if (time !== undefined && time.from >= until) break
      if (pattern.matches(object.key) && isWithin(object)) yield object
    }
  }
}

/** The folders that hold dates, sorted. Those whose keys all come before `after` are left out. */
async function* findFolders(
  store: Store,
  levels: DateFolders['levels'],
  { after, signal }: Selection,
  depth = 0,
  parent = '',
): AsyncGenerator<string, void> {
  const level = levels[depth]
  if (level === undefined) {
    if (!isBefore(parent, after)) yield parent
    return
  }
  if (level.name !== undefined) {
    yield* findFolders(store, levels, { after, signal }, depth + 1, `${parent}${level.name}/`)
    return
  }
  for await (const folder of listFolders(store, { prefix: parent + level.prefix, signal })) {
    const isWanted = level.matches(folder.slice(parent.length, -1)) && !isBefore(folder, after)
    if (isWanted) yield* findFolders(store, levels, { after, signal }, depth + 1, folder)
  }
}

/** True if all keys of the folder come before the key. */
function isBefore(folder: string, key: string | undefined): boolean {
  return key !== undefined && !key.startsWith(folder) && compareKeys(folder, key) < 0
}

function later(one: string | undefined, other: string | undefined): string | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return compareKeys(one, other) > 0 ? one : other
}
