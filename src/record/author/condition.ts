import { SluiceError } from '../../errors.ts'
import type { Batch } from '../batch.ts'
import { sameNumber } from '../json/number.ts'
import type { Paths } from '../paths/path.ts'
import { parsePattern } from '../paths/pattern.ts'
import type { Condition, Test } from './record.ts'
import { rememberVerdicts } from './cached-test.ts'
import { HIT_STRIDE, Kind } from '../scan.ts'
import { Edit } from '../edits.ts'

/** Whether the values at some hits (all of one path; none when it is absent) fulfil a test. */
export type HitTest = (batch: Batch, hits: readonly number[]) => boolean

/** A test that the values fulfil when one of them does. Asked for each record, so it makes no closure of its own. */
export function ofAny(test: (batch: Batch, hit: number) => boolean): HitTest {
  return (batch, hits) => {
    for (let at = 0; at < hits.length; at++) if (test(batch, hits[at])) return true
    return false
  }
}

/**
 * Compiles a condition: every test must hold. A path that matches several values (wildcards, duplicate keys) fulfils a test when any of them
 * does. An absent path fulfils only `exists: false` and `not`.
 * @throws SluiceError PATH_INVALID, or CONFIG_INVALID for what is not a test.
 */
export function compileCondition(condition: Condition, paths: Paths): (batch: Batch, record: number) => boolean {
  const tests = Object.entries(condition).map(([text, test]) => ({ path: paths.add(text), holds: compileTest(test) }))
  return (batch, record) => tests.every(({ path, holds }) => holds(batch, batch.hits(record, path)))
}

/**
 * Compiles one test. Text like `/phone|address/i` is a pattern and is sought in strings and in numbers as they are spelled; other values are
 * compared by value (numbers to the last digit), lists are alternatives.
 * @throws SluiceError CONFIG_INVALID for what is not a test.
 */
export function compileTest(test: Test): HitTest {
  if (typeof test === 'string') return compileText(test)
  if (typeof test === 'number') return compileNumber(test)
  if (typeof test === 'boolean') return ofKind(test ? Kind.true : Kind.false)
  if (test === null) return ofKind(Kind.null)
  if (isList(test)) {
    const alternatives = test.map(compileTest)
    return (batch, hits) => alternatives.some((holds) => holds(batch, hits))
  }
  if (typeof test === 'object') return compileRule(test)
  throw refuse()
}

/** Array.isArray does not know readonly arrays. */
function isList(test: Test): test is readonly Test[] {
  return Array.isArray(test)
}

function compileRule(rule: { readonly exists?: boolean; readonly not?: Test }): HitTest {
  const known = Object.keys(rule).every((key) => key === 'exists' || key === 'not')
  const { exists, not } = rule
  if (!known || (exists === undefined && not === undefined) || !['undefined', 'boolean'].includes(typeof exists))
    throw refuse()
  const excluded = not === undefined ? undefined : compileTest(not)
  return (batch, hits) => {
    if (exists !== undefined && exists !== hits.length > 0) return false
    return excluded === undefined || !excluded(batch, hits)
  }
}

function refuse(): SluiceError {
  return new SluiceError(
    'CONFIG_INVALID',
    'a test is a value, a pattern such as "/phone|address/i", a list of them, { exists: true or false } or { not: test }',
  )
}

function compileText(text: string): HitTest {
  const pattern = readPattern(text)
  if (pattern !== undefined) {
    const holds = rememberVerdicts((found) => pattern.test(found))
    return ofAny((batch, hit) => isScalarText(batch.kind(hit)) && holds(batch, hit))
  }
  // A string without escapes has this one spelling; where this one has escapes, no such string is equal.
  const json = Buffer.from(JSON.stringify(text))
  return ofAny((batch, hit) => {
    const kind = batch.kind(hit)
    if (kind === Kind.string) return isSpelled(batch, hit, json)
    return kind === Kind.escaped && batch.text(hit) === text
  })
}

function readPattern(text: string) {
  try {
    return parsePattern(text)
  } catch (error) {
    throw new SluiceError(
      'CONFIG_INVALID',
      `pattern ${text}: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
}

function compileNumber(value: number): HitTest {
  if (!Number.isFinite(value)) throw refuse()
  const text = String(value)
  return ofAny((batch, hit) => {
    const kind = batch.kind(hit)
    if (kind === Kind.number) return Number(batch.text(hit)) === value
    return kind === Kind.unusual && sameNumber(batch.text(hit), text)
  })
}

function ofKind(kind: number): HitTest {
  return ofAny((batch, hit) => batch.kind(hit) === kind)
}

function isScalarText(kind: number): boolean {
  return kind === Kind.string || kind === Kind.escaped || kind === Kind.number || kind === Kind.unusual
}

/** Compares in place: no Buffer and no string is made for a value that nothing has edited. */
function isSpelled(batch: Batch, hit: number, json: Buffer): boolean {
  if (batch.edits[hit] !== Edit.keep) return batch.raw(hit).equals(json)
  const { hits } = batch.index
  const start = hits[HIT_STRIDE * hit + 2]
  const end = hits[HIT_STRIDE * hit + 3]
  return end - start === json.length && batch.bytes.compare(json, 0, json.length, start, end) === 0
}
