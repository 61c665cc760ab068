import type { JSX } from 'preact'
import { formatRate } from '../format.ts'

/** Records per second, a number for each second, the latest last. */
export function Sparkline({ values }: { readonly values: readonly number[] }): JSX.Element {
  const highest = values.reduce((one, other) => Math.max(one, other), 0)
  const title = `Records per second in the last ${values.length} seconds: at most ${formatRate(highest)}`
  const points = values.map(
    (value, at) => `${at} ${(HEIGHT - (value / Math.max(1, highest)) * (HEIGHT - 2)).toFixed(1)}`,
  )
  const last = Math.max(1, values.length - 1)
  return (
    <svg class="sparkline" role="img" aria-label={title} viewBox={`0 0 ${last} ${HEIGHT}`} preserveAspectRatio="none">
      <title>{title}</title>
      {highest > 0 && <path class="sparkline-area" d={`M0 ${HEIGHT} L${points.join(' L')} L${last} ${HEIGHT} Z`} />}
      <path class="sparkline-line" d={points.length > 0 ? `M${points.join(' L')}` : ''} />
    </svg>
  )
}

const HEIGHT = 24
