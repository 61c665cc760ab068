import { isIP } from 'node:net'
import type { Batch } from '../../record/batch.ts'
import { parseInstantText } from '../../record/json/instant.ts'
import { ValueKind } from '../../record/scan.ts'
import type { Scalar } from './objects.ts'

/** A scalar value of a record. */
export interface Source {
  readonly kind: 'string' | 'number' | 'boolean'
  /** A string decoded, a number as it is spelled, `true` or `false`. */
  readonly text: string
  /** As JSON. */
  readonly json: string
}

/** JSON text for a target. */
export interface Converted {
  readonly json: string
  /** True if the text of the source follows from it, so that the source is not needed any more. */
  readonly isExact: boolean
}

/** The value at a hit; undefined for null, objects, arrays and no hit. */
export function sourceAt(batch: Batch, hit: number): Source | undefined {
  if (hit < 0) return undefined
  const kind = batch.kind(hit)
  if (kind === ValueKind.string) {
    const json = batch.raw(hit).toString()
    return { kind: 'string', text: json.slice(1, -1), json }
  }
  if (kind === ValueKind.escaped) return { kind: 'string', text: batch.text(hit), json: batch.raw(hit).toString() }
  if (kind === ValueKind.true || kind === ValueKind.false) {
    const json = kind === ValueKind.true ? 'true' : 'false'
    return { kind: 'boolean', text: json, json }
  }
  if (kind !== ValueKind.number && kind !== ValueKind.unusual) return undefined
  const json = batch.raw(hit).toString()
  return { kind: 'number', text: json, json }
}

/** The same for a value that was parsed. */
export function sourceOf(value: unknown): Source | undefined {
  if (typeof value === 'string') return { kind: 'string', text: value, json: JSON.stringify(value) }
  if (typeof value !== 'number' && typeof value !== 'boolean') return undefined
  const text = String(value)
  return { kind: typeof value === 'number' ? 'number' : 'boolean', text, json: text }
}

/** A value of the target's type; undefined if the source has none. An empty text is no value. */
export function convert(source: Source, type: Scalar): Converted | undefined {
  return source.text === '' ? undefined : CONVERSIONS[type](source)
}

const CONVERSIONS: { readonly [type in Scalar]: (source: Source) => Converted | undefined } = {
  string: (source) => exact(textOf(source)),
  '[string]': ({ kind, json }) => (kind === 'string' ? exact(`[${json}]`) : undefined),
  integer: ({ kind, text }) => (kind !== 'boolean' && INTEGER.test(text) ? exact(text) : undefined),
  number: ({ kind, text }) => (kind === 'number' && Number.isFinite(Number(text)) ? exact(text) : undefined),
  boolean: ({ kind, text }) => (kind !== 'number' && /^(?:true|false)$/.test(text) ? exact(text) : undefined),
  time: ({ kind, text }) => (kind === 'boolean' ? undefined : timeOf(text)),
  ip: ({ kind, text, json }) => (kind === 'string' && isAddress(text) ? exact(json) : undefined),
  email: ({ kind, text, json }) => (kind === 'string' && EMAIL.test(text) ? exact(json) : undefined),
}

/** A source as a JSON string. */
export function textOf({ kind, text, json }: Source): string {
  return kind === 'string' ? json : `"${text}"`
}

/** OCSF has no zones of IPv6 addresses. */
function isAddress(text: string): boolean {
  return isIP(text) !== 0 && !text.includes('%')
}

function exact(json: string): Converted {
  return { json, isExact: true }
}

/** At most 15 digits: a JavaScript number holds them. */
const INTEGER = /^(?:0|-?[1-9]\d{0,14})$/
/** The pattern of OCSF's type `email_t`. */
const EMAIL = /^[a-zA-Z0-9!#$%&'*+\-/=?^_`{|}~.]+@[a-zA-Z0-9-]+\.[a-zA-Z0-9-.]+$/

/** RFC 3339 and its relatives; numbers are seconds since 1970, or milliseconds from 100,000,000,000 on. */
function timeOf(text: string): Converted | undefined {
  if (/^\d{12,15}$/.test(text)) return exact(text)
  const time = NUMBER.test(text) ? millisecondsOf(Number(text)) : parseInstantText(text)
  return Number.isNaN(time) ? undefined : { json: String(time), isExact: false }
}

/** Some writers of JSON spell large integers as 1714521600123.0 or 1.714521600123e+12. */
const NUMBER = /^\d{1,15}(?:\.\d+)?(?:[eE]\+?\d{1,2})?$/
const FIRST_MILLISECONDS = 1e11
/** As in 15 digits. */
const MAX_MILLISECONDS = 1e15

/** NaN for a number that is too large for a time. */
function millisecondsOf(value: number): number {
  if (value >= MAX_MILLISECONDS) return Number.NaN
  // Of 1.001 seconds the product is 1000.9999999999999.
  return Math.floor(value >= FIRST_MILLISECONDS ? value : Number((value * 1000).toFixed(3)))
}
