import { closest } from '../../../fields/suggest.ts'
import { DAY, HOUR, MINUTE, SECOND } from '../../../time.ts'

/**
 * Named formats of a time: RFC 3339 with milliseconds (default) or in whole seconds; seconds or
 * milliseconds since 1970.
 */
const named = ['rfc3339', 'rfc3339Seconds', 'unix', 'unixMs'] as const

/** Calendar fields of a written format, in UTC, with their size in milliseconds. */
const sizes: ReadonlyMap<string, number> = new Map([
  ['yyyy', DAY],
  ['MM', DAY],
  ['dd', DAY],
  ['HH', HOUR],
  ['mm', MINUTE],
  ['ss', SECOND],
  ['SSS', 1],
])

/** Fields, the letters T and Z, digits and punctuation. Anything else is a mistake. */
const TOKEN = /yyyy|MM|dd|HH|mm|SSS|ss|[A-Za-z]+?(?=yyyy|MM|dd|HH|mm|SSS|ss|[^A-Za-z]|$)|[^A-Za-z]/g
const LITERAL = /^[-+_.:/, TZ\d]$/

/** What is wrong with a format, and the way out. Undefined for a sound one. */
export function problemOfFormat(format: string): { readonly message: string; readonly hint: string } | undefined {
  if (named.some((name) => name === format)) return undefined
  const tokens = format.match(TOKEN) ?? []
  const wrong = tokens.find((token) => !sizes.has(token) && !LITERAL.test(token))
  const fields = tokens.filter((token) => sizes.has(token))
  if (wrong === undefined && fields.length > 0 && isComplete(fields)) return undefined
  const near = closest(format, [...named, 'yyyy-MM-dd', 'yyyyMMdd', 'yyyy-MM-dd HH:mm:ss', 'yyyy-MM-ddTHH:mm:ssZ'])
  const formats = `formats: ${named.join(', ')}, or ${[...sizes.keys()].join(', ')} with - _ . : / + T Z, digits or spaces between them`
  return {
    message: `"${format}" is not a time format`,
    hint: near === undefined ? formats : `did you mean "${near}"? ${formats}`,
  }
}

/** A date needs its year, month and day: without one of them, rounding would skip records. */
function isComplete(fields: readonly string[]): boolean {
  const date = ['yyyy', 'MM', 'dd'].filter((field) => fields.includes(field))
  return date.length === 0 || date.length === 3
}

/**
 * A time in a format that `problemOfFormat` accepts, as JSON text: a number for `unix` and `unixMs`.
 * The start of a window is rounded down to the unit of the format and its end up, so that no record
 * of the window is missed.
 */
export function formatTime(time: number, format: string | undefined, edge: 'start' | 'end'): string {
  const round = (unit: number) => (edge === 'start' ? Math.floor(time / unit) : Math.ceil(time / unit)) * unit
  switch (format) {
    case 'unix':
      return String(round(SECOND) / SECOND)
    case 'unixMs':
      return String(time)
    case undefined:
    case 'rfc3339':
      return JSON.stringify(new Date(time).toISOString())
    case 'rfc3339Seconds':
      return JSON.stringify(new Date(round(SECOND)).toISOString().replace('.000Z', 'Z'))
    default:
      return JSON.stringify(written(format, round))
  }
}

function written(format: string, round: (unit: number) => number): string {
  const tokens = format.match(TOKEN) ?? []
  const unit = Math.min(...tokens.map((token) => sizes.get(token) ?? DAY))
  const [, yyyy = '', MM = '', dd = '', HH = '', mm = '', ss = '', SSS = ''] =
    /^(\d+)-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})Z$/.exec(new Date(round(unit)).toISOString()) ?? []
  const fields: { readonly [token: string]: string } = { yyyy, MM, dd, HH, mm, ss, SSS }
  return tokens.map((token) => fields[token] ?? token).join('')
}
