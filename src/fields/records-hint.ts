import type { SeenKeys } from '../record/documents/seen-keys.ts'
import { closest } from './suggest.ts'

/**
 * The way out where nothing is at the path of the records: a key that was probably meant.
 * @param arrayHint The way out for a document that is an array.
 * @param elementsHint The way out if the path goes on after a key, and an array is at that key.
 */
export function suggestRecords(
  { isArray, wanted, keys, lists }: SeenKeys,
  arrayHint: string,
  elementsHint?: (key: string) => string,
): string | undefined {
  if (lists.includes(wanted)) return elementsHint?.(wanted) ?? `there is an array at "${wanted}"`
  const near =
    closest(wanted, lists) ??
    closest(
      wanted,
      keys.filter((key) => key !== wanted),
    )
  if (near !== undefined) return `did you mean "${near}"?`
  const [list] = lists
  if (list !== undefined) return `there is an array at "${list}"`
  return isArray ? arrayHint : undefined
}
