import type { JSX } from 'preact'

interface MeterProps {
  /** 0 to 1. */
  readonly share: number
  readonly tone?: 'plain' | 'warning' | 'error'
}

/** A bar. The number stands beside it as text, so that it is hidden from screen readers. */
export function Meter({ share, tone = 'plain' }: MeterProps): JSX.Element {
  const width = `${(100 * Math.min(1, Math.max(0, share))).toFixed(1)}%`
  return (
    <span class={`meter is-${tone}`} aria-hidden="true">
      <span class="meter-fill" style={{ width }} />
    </span>
  )
}
