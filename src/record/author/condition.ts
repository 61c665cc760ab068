import { SluiceError } from '../../errors.ts'
import type { Batch } from '../batch.ts'
import { sameNumber } from '../json/number.ts'
import type { Paths } from '../paths/path.ts'
import { parsePattern } from '../paths/pattern.ts'
import type { Condition, Test } from './record.ts'
import { cachedTest } from './cached-test.ts'
import { HIT_STRIDE, ValueKind } from '../scan.ts'
import { Edit } from '../edits.ts'

/**
 * Whether the values at these hits fulfil a test. The hits are those of one path; none if it is
 * absent.
 */
export type HitTest = (batch: Batch, hits: readonly number[]) => boolean

/**
 * Holds if any of the values fulfils the test. It runs for each record, so it creates no closure
 * per call.
 */
function ofAny(test: (batch: Batch, hit: number) => boolean): HitTest {
  return (batch, hits) => {
    for (let at = 0; at < hits.length; at++) if (test(batch, hits[at])) return true
    return false
  }
}

/**
 * Compiles a condition: all its tests must hold. If a path matches several values (wildcards), one
 * of them must fulfil the test. Of duplicate keys only the last one counts, as for JSON.parse:
 * otherwise a copy that no reader sees could decide about a record. An absent path fulfils only
 * `exists: false` and `not`.
 * @throws SluiceError PATH_INVALID for an invalid path, CONFIG_INVALID for an invalid test.
 */
export function compileCondition(condition: Condition, paths: Paths): (batch: Batch, record: number) => boolean {
  const tests = Object.entries(condition).map(([text, test]) => ({ path: paths.add(text), holds: compileTest(test) }))
  return (batch, record) => tests.every(({ path, holds }) => holds(batch, batch.visible(record, path)))
}

/**
 * Compiles a test that decides about redaction. It holds if all copies of duplicate keys together
 * fulfil it, or those that a reader sees: neither a hidden copy nor a visible one prevents
 * redaction.
 */
export function compileGuard(test: Test): (batch: Batch, hits: readonly number[], record: number) => boolean {
  const holds = compileTest(test)
  if (!isNegative(test)) return holds
  return (batch, hits, record) => holds(batch, hits) || holds(batch, batch.visibleOf(record, hits))
}

/** Whether fewer values can fulfil the test where more do not. */
function isNegative(test: Test): boolean {
  if (isList(test)) return test.some(isNegative)
  return typeof test === 'object' && test !== null
}

/**
 * Compiles one test. A text such as `/phone|address/i` is a pattern, which is searched in strings
 * and in numbers as spelled. Other values are compared by value (numbers exactly). A list holds
 * alternatives.
 * @throws SluiceError CONFIG_INVALID for an invalid test.
 */
export function compileTest(test: Test): HitTest {
  if (typeof test === 'string') return compileText(test)
  if (typeof test === 'number') return compileNumber(test)
  if (typeof test === 'boolean') return ofKind(test ? ValueKind.true : ValueKind.false)
  if (test === null) return ofKind(ValueKind.null)
  if (isList(test)) {
    const alternatives = test.map(compileTest)
    return (batch, hits) => alternatives.some((holds) => holds(batch, hits))
  }
  if (typeof test === 'object') return compileRule(test)
  throw invalidTest()
}

/** Array.isArray does not narrow to readonly arrays. */
function isList(test: Test): test is readonly Test[] {
  return Array.isArray(test)
}

function compileRule(rule: { readonly exists?: boolean; readonly not?: Test }): HitTest {
  const known = Object.keys(rule).every((key) => key === 'exists' || key === 'not')
  const { exists, not } = rule
  if (!known || (exists === undefined && not === undefined) || !['undefined', 'boolean'].includes(typeof exists))
    throw invalidTest()
  const excluded = not === undefined ? undefined : compileTest(not)
  return (batch, hits) => {
    if (exists !== undefined && exists !== hits.length > 0) return false
    return excluded === undefined || !excluded(batch, hits)
  }
}

function invalidTest(): SluiceError {
  return new SluiceError(
    'CONFIG_INVALID',
    'a test is a value, a pattern such as "/phone|address/i", a list of them, { exists: true or false } or { not: test }',
  )
}

function compileText(text: string): HitTest {
  const pattern = readPattern(text)
  if (pattern !== undefined) {
    const holds = cachedTest((found) => pattern.test(found))
    return ofAny((batch, hit) => isScalarText(batch.kind(hit)) && holds(batch, hit))
  }
  // A string without escapes has exactly one spelling. If this spelling has escapes, no string
  // without escapes equals it.
  const json = Buffer.from(JSON.stringify(text))
  return ofAny((batch, hit) => {
    const kind = batch.kind(hit)
    if (kind === ValueKind.string) return isSpelled(batch, hit, json)
    return kind === ValueKind.escaped && batch.text(hit) === text
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
  if (!Number.isFinite(value)) throw invalidTest()
  const text = String(value)
  return ofAny((batch, hit) => {
    const kind = batch.kind(hit)
    if (kind === ValueKind.number) return Number(batch.text(hit)) === value
    return kind === ValueKind.unusual && sameNumber(batch.text(hit), text)
  })
}

function ofKind(kind: number): HitTest {
  return ofAny((batch, hit) => batch.kind(hit) === kind)
}

function isScalarText(kind: number): boolean {
  return (
    kind === ValueKind.string || kind === ValueKind.escaped || kind === ValueKind.number || kind === ValueKind.unusual
  )
}

/** Compares in place: an unedited value needs no Buffer and no string. */
function isSpelled(batch: Batch, hit: number, json: Buffer): boolean {
  if (batch.edits[hit] !== Edit.keep) return batch.raw(hit).equals(json)
  const { hits } = batch.index
  const start = hits[HIT_STRIDE * hit + 2]
  const end = hits[HIT_STRIDE * hit + 3]
  return end - start === json.length && batch.bytes.compare(json, 0, json.length, start, end) === 0
}
