import { printable } from '../../src/observe/printable.ts'

/** Names, keys and errors are written by anyone: characters that hide or turn text are shown as escapes. */
export function safe(text: string): string {
  return printable(text).replaceAll('\t', ' ')
}

/** `1,234` */
export function formatCount(count: number): string {
  return String(Math.round(count)).replaceAll(/\B(?=(\d{3})+$)/g, ',')
}

/** Three digits that count: more would not stand still. */
export function formatRate(perSecond: number): string {
  if (perSecond > 0 && perSecond < 10) return perSecond.toFixed(1)
  const step = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, perSecond))) - 2)
  return formatCount(Math.round(perSecond / step) * step)
}

/** `1.5 MB` */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(value < 100 ? 1 : 0)} ${UNITS[unit]}`
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB']

/** In the largest unit, rounded: `90 d`, `3 h`, `8 min`, `20 s`. */
export function formatSpan(milliseconds: number): string {
  if (milliseconds >= 2 * DAY) return `${Math.round(milliseconds / DAY)} d`
  if (milliseconds >= 2 * HOUR) return `${Math.round(milliseconds / HOUR)} h`
  if (milliseconds >= 2 * MINUTE) return `${Math.round(milliseconds / MINUTE)} min`
  return `${Math.max(0, Math.round(milliseconds / SECOND))} s`
}

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

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

/** `1 object`, `1,234 objects` */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`
}
