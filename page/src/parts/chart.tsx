import { signal, useSignal, useSignalEffect } from '@preact/signals'
import type { ReadonlySignal, Signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { JSX } from 'preact'
import uPlot from 'uplot'
import { formatTime } from '../format.ts'
import type { Column, Samples } from '../state/samples.ts'
import { chartOptions, CHART_HEIGHT, LINE_STYLES } from './chart-options.ts'

export interface ChartLine {
  readonly column: Column
  /** Where there are several lines. */
  readonly title?: string
}

export interface ChartProps {
  readonly title: string
  readonly unit: string
  /** As many for as long as the chart is shown. */
  readonly lines: readonly ChartLine[]
  readonly samples: Samples
  /** How much of the past it shows. */
  readonly seconds: ReadonlySignal<number>
  /** For the axis. */
  readonly format: (value: number) => string
  readonly describe: (value: number) => string
  /** The values are seconds. */
  readonly isTime?: boolean
}

/** Lines over time. The latest and the highest value of a single line stand above it as text, those of several below. */
export function Chart({
  title,
  unit,
  lines,
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
    const made = new uPlot(
      chartOptions({ element, format, isTime, pointed, lines: lines.length }),
      [[], ...lines.map(() => [])],
      element,
    )
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
    const { at, values } = cutOf(samples, lines, seconds.value)
    const end = at.at(-1) ?? Date.now() / 1000
    drawn.batch(() => {
      drawn.setData([at, ...values], false)
      drawn.setScale('x', { min: end - seconds.value, max: end })
    })
  })

  return (
    <figure class="chart">
      <figcaption>
        <span class="chart-title">{title}</span> <span class="faint">{unit}</span>
        {lines.length === 1 && <Readout {...{ samples, line: lines[0], describe, pointed, seconds }} />}
      </figcaption>
      <div
        class="chart-body"
        ref={container}
        role="img"
        aria-label={`${title} over time, ${unit}. The values stand beside it.`}
      />
      {lines.length > 1 && (
        <ul class="chart-lines">
          {lines.map((line, at) => (
            <li key={line.column}>
              <svg class={`chart-mark is-line-${at % LINE_STYLES.length}`} width="24" height="4" aria-hidden="true">
                <line
                  x1="0"
                  y1="2"
                  x2="24"
                  y2="2"
                  stroke-dasharray={LINE_STYLES[at % LINE_STYLES.length].dash.join(' ')}
                />
              </svg>{' '}
              {line.title} <Readout {...{ samples, line, describe, pointed, seconds }} />
            </li>
          ))}
        </ul>
      )}
    </figure>
  )
}

interface ReadoutProps extends Pick<ChartProps, 'samples' | 'describe' | 'seconds'> {
  readonly line: ChartLine
  readonly pointed: Signal<number | null>
}

/** What is pointed at, otherwise the latest value and the highest one. */
function Readout({ samples, line, describe, pointed, seconds }: ReadoutProps): JSX.Element {
  const {
    at,
    values: [values],
  } = cutOf(samples, [line], seconds.value)
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
function cutOf(samples: Samples, lines: readonly ChartLine[], seconds: number): Cut {
  const none = { at: [], values: lines.map(() => []) }
  if (samples.version.value === 0) return none
  const first = (samples.at.at(-1) ?? 0) - seconds * 1000
  const start = samples.at.findIndex((at) => at >= first)
  if (start === -1) return none
  return {
    at: samples.at.slice(start).map((at) => at / 1000),
    values: lines.map(({ column }) => samples.column(column).slice(start)),
  }
}

interface Cut {
  readonly at: number[]
  /** Of each line. */
  readonly values: (number | null)[][]
}

const isDark = signal(false)
const media = matchMedia('(prefers-color-scheme: dark)')
isDark.value = media.matches
media.addEventListener('change', ({ matches }) => {
  isDark.value = matches
})
