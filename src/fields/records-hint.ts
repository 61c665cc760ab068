import type { SeenKeys } from '../record/documents/seen-keys.ts'
import { closest } from './suggest.ts'

/** The way out where nothing is at the path of the records: a key that was probably meant. */
export function suggestRecords({ wanted, keys, lists }: SeenKeys): string | undefined {
  const near = closest(wanted, lists) ?? closest(wanted, keys)
  if (near !== undefined) return `did you mean "${near}"?`
  const [list] = lists
  return list === undefined ? undefined : `there is an array at "${list}"`
}
