import { computed } from '@preact/signals'
import type { JSX } from 'preact'
import { formatBytes, formatCount, formatRate, formatSpan, safe } from '../format.ts'
import { changeQuery, valueOf } from '../route.ts'
import type { PipelineState } from '../state/pipeline.ts'
import { Chart } from './chart.tsx'
import type { ChartLine } from './chart.tsx'
import { Panel } from './panel.tsx'

/** Seconds that charts show. */
const shown = computed(() => (valueOf('charts') === '1h' ? 3600 : 600))

/** The last minutes of the runs of a pipeline. */
export function Charts({ state: { samples } }: { readonly state: PipelineState }): JSX.Element {
  const codes = samples.rejects.value.map((column): ChartLine => ({ column, title: safe(column.replace(/^\w+ /, '')) }))
  return (
    <Panel id="charts" title="Over time" isWide note={<WindowChoice />}>
      <div class="charts">
        {CHARTS.map((chart) => (
          <Chart key={chart.title} {...chart} samples={samples} seconds={shown} />
        ))}
        <Chart
          // A chart has as many lines as when it was made.
          key={`Rejected ${codes.length}`}
          title="Rejected"
          unit="records in this run, by code"
          lines={codes.length === 0 ? [{ column: 'rejected' }] : codes}
          format={formatCount}
          describe={(value) => (codes.length === 0 ? `${formatCount(value)} records` : formatCount(value))}
          samples={samples}
          seconds={shown}
        />
      </div>
    </Panel>
  )
}

const CHARTS = [
  {
    title: 'Throughput',
    unit: 'records/s',
    lines: [{ column: 'recordsPerSecond' }],
    format: formatRate,
    describe: (value: number) => `${formatRate(value)} records/s`,
  },
  {
    title: 'Freshness',
    unit: 'committed, behind the present',
    lines: [{ column: 'freshnessSeconds' }],
    format: spanOf,
    describe: spanOf,
    isTime: true,
  },
  {
    title: 'Lateness',
    unit: 'read, behind the present',
    lines: [{ column: 'latenessSeconds' }],
    format: spanOf,
    describe: spanOf,
    isTime: true,
  },
  {
    title: 'Waiting for upload',
    unit: 'bytes',
    lines: [{ column: 'waitingBytes' }],
    format: formatBytes,
    describe: formatBytes,
  },
] as const

function spanOf(seconds: number): string {
  return formatSpan(seconds * 1000)
}

function WindowChoice(): JSX.Element {
  return (
    <fieldset class="choice">
      <legend class="unseen">Time that the charts show</legend>
      {WINDOWS.map(({ seconds, text, value }) => (
        <label key={seconds}>
          <input
            type="radio"
            name="window"
            checked={shown.value === seconds}
            onChange={() => changeQuery({ charts: value }, true)}
          />
          <span>{text}</span>
        </label>
      ))}
    </fieldset>
  )
}

const WINDOWS = [
  { seconds: 600, text: '10 minutes', value: '' },
  { seconds: 3600, text: '1 hour', value: '1h' },
]
