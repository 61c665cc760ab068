import type { JSX } from 'preact'
import type { PipelineDetail, StatusSnapshot } from '../../../src/ui/api.ts'
import { formatSpan, safe } from '../format.ts'
import { clock } from '../state/clock.ts'
import type { PipelineState } from '../state/pipeline.ts'
import { StateBadge } from './badge.tsx'
import { Ago, Clock } from './moment.tsx'

/** One line that says whether it runs. It is always there, so that nothing jumps when a run begins or ends. */
export function RunBanner({ state }: { readonly state: PipelineState }): JSX.Element | null {
  const row = state.detail.value?.row
  if (row === undefined) return null
  const snapshot = state.snapshot.value
  const ended = state.ended.value
  const isOver = ended !== undefined || snapshot?.state === 'ended'
  const runs = snapshot !== undefined && !isOver
  const isBad = row.state === 'unreadable' || snapshot?.outcome === 'failed' || snapshot?.state === 'waiting'
  return (
    <div class={`run-banner${isBad ? ' is-error' : runs ? ' is-running' : ''}`}>
      <StateBadge
        row={
          runs ? { ...row, state: 'running', runState: snapshot.state } : isOver ? { ...row, state: 'stopped' } : row
        }
      />
      <p class="wraps">
        {runs ? (
          <Running snapshot={snapshot} />
        ) : isOver ? (
          <Over snapshot={snapshot} why={ended} />
        ) : (
          <Idle row={row} />
        )}
      </p>
    </div>
  )
}

function Running({ snapshot: { startedAt, run, pid, host } }: { readonly snapshot: StatusSnapshot }): JSX.Element {
  return (
    <>
      For {formatSpan(clock.value - startedAt)}, since <Clock at={startedAt} />. Run {safe(run)}, process {pid} on{' '}
      {safe(host)}.
    </>
  )
}

interface OverProps {
  readonly snapshot: StatusSnapshot | undefined
  readonly why: string | undefined
}

function Over({ snapshot, why }: OverProps): JSX.Element {
  const outcome = [snapshot?.outcome, snapshot?.code].filter((part) => part !== undefined).join(' ')
  const reasons = [outcome, why ?? ''].filter((part) => part !== '').map(safe)
  return (
    <>
      <strong>The run is over{reasons.length > 0 && `: ${reasons.join(', ')}`}.</strong>{' '}
      {snapshot && (
        <>
          The numbers are its last ones, of <Clock at={snapshot.takenAt} />.
        </>
      )}
    </>
  )
}

function Idle({
  row: { state, name, trouble, isMissing, committedAt },
}: {
  readonly row: PipelineDetail['row']
}): JSX.Element {
  if (state === 'unreadable') return <>The state cannot be read: {safe(trouble ?? 'unknown reason')}</>
  if (isMissing) return <>It has a state, and no file in pipelines/.</>
  return (
    <>
      {state === 'new' ? (
        'It has not run yet. '
      ) : (
        <>
          Last commit <Ago at={committedAt} />.{' '}
        </>
      )}
      Run it with <code>sluice run {safe(name)}</code>.
    </>
  )
}
