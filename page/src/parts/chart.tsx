import { signal, useSignal, useSignalEffect } from '@preact/signals'
import type { Signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { JSX } from 'preact'
import uPlot from 'uplot'
import { formatTime } from '../format.ts'
import type { Measure, Samples } from '../state/samples.ts'
import { chartOptions, CHART_HEIGHT } from './chart-options.ts'

export interface ChartProps {
  readonly title: string
  readonly unit: string
  readonly measure: Measure
  readonly samples: Samples
  /** How much of the past it shows. */
  readonly seconds: Signal<number>
  /** For the axis. */
  readonly format: (value: number) => string
  readonly describe: (value: number) => string
  /** The values are seconds. */
  readonly isTime?: boolean
}

/** A line over time. Its latest and highest values stand above it as text. */
export function Chart({
  title,
  unit,
  measure,
  samples,
  seconds,
  format,
  describe,
  isTime = false,
}: ChartProps): JSX.Element {
  const container = useRef<HTMLDivElement>(null)
  const plot = useSignal<uPlot | undefined>(undefined)
  const pointed = useSignal<number | null>(null)
  const dark = isDark.value

  useEffect(() => {
    const element = container.current
    if (element === null) return undefined
    const made = new uPlot(chartOptions({ element, format, isTime, pointed }), [[], []], element)
    plot.value = made
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: CHART_HEIGHT }))
    observer.observe(element)
    return () => {
      observer.disconnect()
      plot.value = undefined
      made.destroy()
    }
  }, [dark])

  useSignalEffect(() => {
    const drawn = plot.value
    if (drawn === undefined) return
    const { at, values } = cutOf(samples, measure, seconds.value)
    const end = at.at(-1) ?? Date.now() / 1000
    drawn.batch(() => {
      drawn.setData([at, values], false)
      drawn.setScale('x', { min: end - seconds.value, max: end })
    })
  })

  return (
    <figure class="chart">
      <figcaption>
        <span class="chart-title">{title}</span> <span class="faint">{unit}</span>
        <Readout {...{ samples, measure, describe, pointed, seconds }} />
      </figcaption>
      <div
        class="chart-body"
        ref={container}
        role="img"
        aria-label={`${title} over time, ${unit}. The values stand above.`}
      />
    </figure>
  )
}

interface ReadoutProps extends Pick<ChartProps, 'samples' | 'measure' | 'describe' | 'seconds'> {
  readonly pointed: Signal<number | null>
}

/** What is pointed at, otherwise the latest value and the highest one. */
function Readout({ samples, measure, describe, pointed, seconds }: ReadoutProps): JSX.Element {
  const { at, values } = cutOf(samples, measure, seconds.value)
  const index = pointed.value
  const value = index === null ? values.at(-1) : values[index]
  const known = values.filter((one) => one !== null)
  const shown = typeof value === 'number' ? describe(value) : '–'
  const highest = known.length === 0 ? '' : `highest ${describe(known.reduce((a, b) => Math.max(a, b), 0))}`
  return (
    <span class="readout">
      {shown} <span class="faint">{index === null ? highest : `${formatTime((at[index] ?? 0) * 1000)} UTC`}</span>
    </span>
  )
}

/** The samples that the chart shows; read again for each version of them. Times are seconds, as uPlot takes them. */
function cutOf(samples: Samples, measure: Measure, seconds: number): { at: number[]; values: (number | null)[] } {
  if (samples.version.value === 0) return { at: [], values: [] }
  const first = (samples.at.at(-1) ?? 0) - seconds * 1000
  const start = samples.at.findIndex((at) => at >= first)
  if (start === -1) return { at: [], values: [] }
  return { at: samples.at.slice(start).map((at) => at / 1000), values: samples.column(measure).slice(start) }
}

const isDark = signal(false)
const media = matchMedia('(prefers-color-scheme: dark)')
isDark.value = media.matches
media.addEventListener('change', ({ matches }) => {
  isDark.value = matches
})
