import type { JSX } from 'preact'
import { describeMoment, formatSpan, formatTime, formatUtc } from '../format.ts'
import { clock } from '../state/clock.ts'

interface MomentProps {
  readonly at: number | undefined
  /** Without a moment. */
  readonly none?: string
}

/** How long ago: `3 min ago`. The exact time is in the title. */
export function Ago({ at, none = 'never' }: MomentProps): JSX.Element {
  if (at === undefined) return <span class="faint">{none}</span>
  return (
    <time dateTime={new Date(at).toISOString()} title={describeMoment(at)}>
      {formatSpan(clock.value - at)} ago
    </time>
  )
}

/** How old: `3 min`. */
export function Age({ at, none = '–' }: MomentProps): JSX.Element {
  if (at === undefined) return <span class="faint">{none}</span>
  return (
    <time dateTime={new Date(at).toISOString()} title={`Committed up to ${describeMoment(at)}`}>
      {formatSpan(clock.value - at)}
    </time>
  )
}

/** `2026-09-12 10:25:03 UTC` */
export function Moment({ at }: { readonly at: number }): JSX.Element {
  return (
    <time dateTime={new Date(at).toISOString()} title={describeMoment(at)}>
      {formatUtc(at)}
    </time>
  )
}

/** `10:25:03 UTC` */
export function Clock({ at }: { readonly at: number }): JSX.Element {
  return (
    <time dateTime={new Date(at).toISOString()} title={describeMoment(at)}>
      {formatTime(at)} UTC
    </time>
  )
}
