import type { JSX } from 'preact'
import type { PipelineRow } from '../../../src/ui/api.ts'

export type Tone = 'good' | 'plain' | 'warning' | 'error'

/** A state in a word. The word says it; the colour only helps to find it. */
export function Badge({ tone, text }: { readonly tone: Tone; readonly text: string }): JSX.Element {
  return <span class={`badge is-${tone}`}>{text}</span>
}

export function StateBadge({ row: { state, runState } }: { readonly row: PipelineRow }): JSX.Element {
  if (state !== 'running') return <Badge tone={state === 'unreadable' ? 'error' : 'plain'} text={STATES[state]} />
  const tone = runState === 'waiting' ? 'error' : runState === 'reading' ? 'good' : 'warning'
  return <Badge tone={tone} text={RUN_STATES[runState ?? ''] ?? 'Running'} />
}

const STATES = { new: 'New', stopped: 'Not running', unreadable: 'Unreadable' } as const

const RUN_STATES: { readonly [state: string]: string } = {
  starting: 'Running: starting',
  reading: 'Running: reading',
  waiting: 'Running: outbox is full',
  stopping: 'Running: stopping',
  ended: 'Ended',
}
