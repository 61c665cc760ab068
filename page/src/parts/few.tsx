import type { JSX } from 'preact'
import { changeQuery, valueOf } from '../route.ts'

interface FewOptions {
  /** Of the list, in the address. */
  readonly name: string
  readonly few: number
}

/** The first rows of a long list, and a button that shows all of them. */
export function useFew<Row>(
  rows: readonly Row[],
  { name, few }: FewOptions,
): { shown: readonly Row[]; button: JSX.Element | null } {
  const whole = valueOf('all').split(' ')
  const isWhole = whole.includes(name)
  const others = isWhole ? whole.filter((one) => one !== name) : [...whole, name]
  return {
    shown: isWhole ? rows : rows.slice(0, few),
    button:
      rows.length <= few ? null : (
        <button type="button" onClick={() => changeQuery({ all: others.join(' ').trim() }, true)}>
          {isWhole ? 'Show fewer' : `Show all ${rows.length}`}
        </button>
      ),
  }
}
