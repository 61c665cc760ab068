import type { Signal } from '@preact/signals'
import type uPlot from 'uplot'

export const CHART_HEIGHT = 170

interface ChartOptions {
  readonly element: HTMLElement
  readonly format: (value: number) => string
  readonly isTime: boolean
  /** How many lines it has. */
  readonly lines: number
  /** Takes the index of the sample that is pointed at. */
  readonly pointed: Signal<number | null>
}

/** Options of uPlot in the colours of the page. A canvas does not follow the style sheet: it is made again. */
export function chartOptions({ element, format, isTime, pointed, lines }: ChartOptions): uPlot.Options {
  const style = getComputedStyle(element)
  const colour = (name: string): string => style.getPropertyValue(name).trim()
  const axis = {
    stroke: colour('--faint'),
    font: `11px ${style.fontFamily}`,
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { stroke: colour('--line'), width: 1, size: 4 },
  }
  return {
    width: Math.max(1, element.clientWidth),
    height: CHART_HEIGHT,
    padding: [8, 12, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, sync: { key: 'time' }, points: { size: 6 } },
    scales: {
      x: { time: true },
      // A flat line at 0 stays at the bottom.
      y: { range: (_plot, _low, high) => [0, Math.max(1, (high ?? 0) * 1.1)] },
    },
    axes: [
      { ...axis, size: 30, space: 70, values: (_plot, splits) => splits.map(timeOf) },
      {
        ...axis,
        size: 62,
        space: 30,
        values: (_plot, splits) => splits.map(format),
        incrs: isTime ? TIMES : WHOLE,
      },
    ],
    series: [
      {},
      ...Array.from({ length: lines }, (_line, at) => {
        const { colour: name, dash } = LINE_STYLES[at % LINE_STYLES.length]
        return {
          stroke: colour(name),
          ...(lines === 1 && { fill: colour('--accent-faint') }),
          dash: [...dash],
          width: 1.5,
          points: { show: false },
          spanGaps: false,
        }
      }),
    ],
    hooks: {
      setCursor: [
        ({ cursor }) => {
          pointed.value = cursor.idx ?? null
        },
      ],
    },
  }
}

/** Of the lines of a chart. The style sheet has the same colours for their marks. */
export const LINE_STYLES: readonly { readonly colour: string; readonly dash: readonly number[] }[] = [
  { colour: '--accent', dash: [] },
  { colour: '--warning', dash: [] },
  { colour: '--error', dash: [] },
  { colour: '--faint', dash: [] },
  { colour: '--text', dash: [] },
  { colour: '--accent', dash: [6, 3] },
  { colour: '--warning', dash: [6, 3] },
  { colour: '--error', dash: [6, 3] },
  { colour: '--faint', dash: [6, 3] },
  { colour: '--text', dash: [6, 3] },
]

/** Hours and minutes in UTC; seconds only where they are no whole minute. */
function timeOf(seconds: number): string {
  const text = new Date(seconds * 1000).toISOString()
  return seconds % 60 === 0 ? text.slice(11, 16) : text.slice(11, 19)
}

/** Steps of seconds, minutes, hours and days. */
const TIMES = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400, 172_800, 864_000,
]

/** Steps of counts and bytes, which have no fractions. */
const WHOLE = Array.from({ length: 16 }, (_step, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat()
