import type { ComponentChildren, JSX } from 'preact'
import { formatBytes, formatCount, formatRate, formatShare, formatSpan, plural } from '../format.ts'
import type { PipelineState } from '../state/pipeline.ts'
import { Age, Ago } from './moment.tsx'

/** The numbers that matter first. */
export function Figures({ state }: { readonly state: PipelineState }): JSX.Element | null {
  const detail = state.detail.value
  if (detail === undefined) return null
  const { row, epochs } = detail
  const snapshot = state.snapshot.value
  const commits = snapshot?.commits
  const behind = snapshot?.freshness.behind[0]
  return (
    <dl class="figures">
      <Figure title="Throughput" note={snapshot && `${formatBytes(snapshot.read.bytesPerSecond)}/s`}>
        {snapshot ? <>{formatRate(snapshot.read.recordsPerSecond)} records/s</> : '–'}
      </Figure>
      <Figure title="Read in this run" note={snapshot && progressOf(snapshot.read)}>
        {snapshot ? plural(snapshot.read.records, 'record') : '–'}
      </Figure>
      <Figure title="Freshness" note="as committed">
        <Age at={row.readUpToAt ?? behind?.readUpToAt} />
      </Figure>
      <Figure
        title="Last commit"
        note={commits?.lastMilliseconds === undefined ? undefined : `took ${Math.round(commits.lastMilliseconds)} ms`}
      >
        <Ago at={commits?.lastAt ?? row.committedAt} none={row.state === 'unreadable' ? '–' : 'never'} />
      </Figure>
      <Figure title="Commits" note={commits && `${formatCount(commits.count)} in this run`}>
        {formatCount(epochs)}
      </Figure>
      <Figure title="Waiting for upload" note={row.waiting && formatBytes(row.waiting.bytes)}>
        {row.waiting ? plural(row.waiting.objects, 'object') : '–'}
      </Figure>
    </dl>
  )
}

interface FigureProps {
  readonly title: string
  readonly note: string | undefined
  readonly children: ComponentChildren
}

function Figure({ title, note, children }: FigureProps): JSX.Element {
  return (
    <div class="figure">
      <dt>{title}</dt>
      <dd class="figure-value">{children}</dd>
      <dd class="figure-note">{note ?? '\u00a0'}</dd>
    </div>
  )
}

interface Progress {
  readonly bytes: number
  readonly totalBytes?: number | undefined
  readonly secondsLeft?: number | undefined
  readonly share?: number | undefined
}

function progressOf({ bytes, totalBytes, secondsLeft, share }: Progress): string {
  if (totalBytes === undefined || totalBytes === 0)
    return share === undefined ? formatBytes(bytes) : `${formatBytes(bytes)}, ${formatShare(share)} of the time`
  const left = secondsLeft === undefined || bytes >= totalBytes ? '' : `, ${formatSpan(secondsLeft * 1000)} left`
  return `${formatShare(bytes / totalBytes)} of ${formatBytes(totalBytes)}${left}`
}
