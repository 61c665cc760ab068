import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'

/** The first rows of a long list, and a button that shows all of them. */
export function useFew<Row>(rows: readonly Row[], few: number): { shown: readonly Row[]; button: JSX.Element | null } {
  const isWhole = useSignal(false)
  return {
    shown: isWhole.value ? rows : rows.slice(0, few),
    button:
      rows.length <= few ? null : (
        <button type="button" onClick={() => (isWhole.value = !isWhole.value)}>
          {isWhole.value ? 'Show fewer' : `Show all ${rows.length}`}
        </button>
      ),
  }
}
