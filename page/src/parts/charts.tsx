import { signal } from '@preact/signals'
import type { JSX } from 'preact'
import { formatBytes, formatCount, formatRate, formatSpan } from '../format.ts'
import type { PipelineState } from '../state/pipeline.ts'
import { Chart } from './chart.tsx'
import { Panel } from './panel.tsx'

/** Seconds that charts show. */
const shown = signal(600)

/** The last minutes of the runs of a pipeline. */
export function Charts({ state }: { readonly state: PipelineState }): JSX.Element {
  return (
    <Panel id="charts" title="Over time" isWide note={<WindowChoice />}>
      <div class="charts">
        {CHARTS.map((chart) => (
          <Chart key={chart.measure} {...chart} samples={state.samples} seconds={shown} />
        ))}
      </div>
    </Panel>
  )
}

const CHARTS = [
  {
    title: 'Throughput',
    unit: 'records/s',
    measure: 'recordsPerSecond',
    format: formatRate,
    describe: (value: number) => `${formatRate(value)} records/s`,
  },
  {
    title: 'Freshness',
    unit: 'behind the present',
    measure: 'freshnessSeconds',
    format: spanOf,
    describe: spanOf,
    isTime: true,
  },
  { title: 'Waiting for upload', unit: 'bytes', measure: 'waitingBytes', format: formatBytes, describe: formatBytes },
  {
    title: 'Rejected',
    unit: 'records in this run',
    measure: 'rejected',
    format: formatCount,
    describe: (value: number) => `${formatCount(value)} records`,
  },
] as const

function spanOf(seconds: number): string {
  return formatSpan(seconds * 1000)
}

function WindowChoice(): JSX.Element {
  return (
    <fieldset class="choice">
      <legend class="unseen">Time that the charts show</legend>
      {WINDOWS.map(({ seconds, text }) => (
        <label key={seconds}>
          <input
            type="radio"
            name="window"
            checked={shown.value === seconds}
            onChange={() => {
              shown.value = seconds
            }}
          />
          <span>{text}</span>
        </label>
      ))}
    </fieldset>
  )
}

const WINDOWS = [
  { seconds: 600, text: '10 minutes' },
  { seconds: 3600, text: '1 hour' },
]
