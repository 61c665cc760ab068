import { printable } from '../../src/observe/printable.ts'
import { formatBytes as formatWholeBytes, formatCount as formatWhole } from '../../src/observe/report.ts'

export { formatSpan, plural } from '../../src/observe/report.ts'

/** Names, keys and errors are written by anyone: characters that hide or turn text are shown as escapes. */
export function safe(text: string): string {
  return printable(text).replaceAll('\t', ' ')
}

/** `1,234`; marks on an axis have fractions. */
export function formatCount(count: number): string {
  return formatWhole(Math.round(count))
}

/** Three digits that count: more would not stand still. */
export function formatRate(perSecond: number): string {
  if (perSecond > 0 && perSecond < 10) return perSecond.toFixed(1)
  const step = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, perSecond))) - 2)
  return formatCount(Math.round(perSecond / step) * step)
}

/** `1.5 MB`; rates have fractions of a byte. */
export function formatBytes(bytes: number): string {
  return formatWholeBytes(Math.round(bytes))
}

/** `42 %` of 0.42. */
export function formatShare(share: number): string {
  return `${Math.round(100 * Math.min(1, Math.max(0, share)))} %`
}

/** `2026-09-12 10:25:03 UTC` */
export function formatUtc(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

/** `10:25:03` */
export function formatTime(at: number): string {
  return new Date(at).toISOString().slice(11, 19)
}

/** UTC, and the time of this computer. */
export function describeMoment(at: number): string {
  return `${formatUtc(at)}\n${LOCAL.format(at)} (local time)`
}

const LOCAL = new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeStyle: 'long' })
