import { ACCEPT_MASK } from '../../record/paths/automaton.ts'
import { Edit } from '../../record/batch.ts'
import type { Batch } from '../../record/batch.ts'
import type { Path } from '../../record/paths/path.ts'
import { HIT_STRIDE, RECORD_STRIDE, ValueKind } from '../../record/scan.ts'

/** Redacts the values at a path, or at several. */
export interface Rule {
  readonly paths: readonly Path[]
  /** Kinds of values that the rule applies to, as bits `1 << kind`. */
  readonly kinds: number
  readonly when?: When
  /** The rule searches the values: only those that it edits count as matches. */
  readonly searches?: true
  /** The edit for a value: `Edit.delete`, a token, or `Edit.keep` for no change. */
  edit(batch: Batch, hit: number): number
}

/** Tests on values near the redacted value. All must hold. */
export interface When {
  /**
   * The array elements that must contain both the tested and the redacted value; undefined for the
   * whole record.
   */
  readonly base: Path | undefined
  readonly tests: readonly { readonly path: Path; readonly holds: GuardHolds }[]
}

/** Whether the hits of a path in a record fulfil a test. */
type GuardHolds = (batch: Batch, hits: readonly number[], record: number) => boolean

/**
 * Applies rules, in order, to every value that they match in every record of a batch, including
 * dropped and rejected records and duplicate keys. A replaced or deleted value takes everything
 * inside it with it. Nothing is parsed. `prepare` comes first; `matches` counts the values of each
 * rule.
 */
export function createRedactor(
  rules: readonly Rule[],
  prepare?: (batch: Batch) => void,
  matches = new Float64Array(rules.length),
): (batch: Batch) => void {
  const usedPaths = rules.flatMap(({ paths, when }) => [
    ...paths,
    ...(when?.base ? [when.base] : []),
    ...(when?.tests ?? []).map((test) => test.path),
  ])
  const guards = rules.flatMap(({ when }, rule) => (when === undefined ? [] : [createGuard(rule, when)]))
  const ofRecord = guards.filter(({ base }) => base === undefined)
  let accepts: readonly (readonly number[])[] | undefined
  let bySet: (SetRules | undefined)[] = []

  return (batch) => {
    if (batch.count === 0) return
    // A query for a path that is not in the index makes the batch scan again.
    for (const path of usedPaths) if (path.id >= batch.index.pathCount) batch.hit(0, path)
    const { index } = batch
    if (accepts !== index.accepts) {
      bySet = []
      for (const { tests } of guards) for (const test of tests) test.isAt = []
    }
    accepts = index.accepts
    while (bySet.length < accepts.length) {
      const paths = accepts[bySet.length]
      bySet.push(rulesOfSet(rules, guards, paths))
      for (const { tests } of guards) for (const test of tests) test.isAt.push(paths.includes(test.path.id))
    }
    prepare?.(batch)
    redact(batch, { rules, bySet, ofRecord, matches })
  }
}

/** The rules and conditions that the values of one accept set are relevant to. */
interface SetRules {
  /** Numbers of the rules that apply to these values, in order. */
  readonly targets: readonly number[]
  /** Conditions on values inside these values. */
  readonly bases: readonly Guard[]
}

/** The condition of a rule. */
interface Guard {
  readonly rule: number
  readonly base: Path | undefined
  readonly tests: readonly GuardTest[]
}

interface GuardTest {
  readonly path: Path
  readonly holds: GuardHolds
  /** By accept set: whether this path matches its values. */
  isAt: boolean[]
}

interface CompiledRules {
  readonly rules: readonly Rule[]
  readonly bySet: readonly (SetRules | undefined)[]
  readonly ofRecord: readonly Guard[]
  /** By rule: the values that it has matched. */
  readonly matches: Float64Array
}

function createGuard(rule: number, { base, tests }: When): Guard {
  return { rule, base, tests: tests.map((test) => ({ ...test, isAt: [] })) }
}

function rulesOfSet(rules: readonly Rule[], guards: readonly Guard[], paths: readonly number[]): SetRules | undefined {
  const targets = [...rules.keys()].filter((rule) => rules[rule].paths.some(({ id }) => paths.includes(id)))
  const bases = guards.filter(({ base }) => base !== undefined && paths.includes(base.id))
  return targets.length + bases.length === 0 ? undefined : { targets, bases }
}

/** No iterators here and below: this code runs for each hit. */
function redact(batch: Batch, { rules, bySet, ofRecord, matches }: CompiledRules): void {
  const { hits, records } = batch.index
  const { edits } = batch
  /** By rule: the hit up to which its condition holds. */
  const until = new Uint32Array(rules.length)

  for (let record = 0; record < batch.count; record++) {
    const last = records[(record + 1) * RECORD_STRIDE + 2]
    let hit = records[record * RECORD_STRIDE + 2]
    for (let i = 0; i < ofRecord.length; i++) {
      if (holds(batch, ofRecord[i].tests, record, hit, last)) until[ofRecord[i].rule] = last
    }
    for (; hit < last; hit++) {
      const ofSet = bySet[hits[hit * HIT_STRIDE] & ACCEPT_MASK]
      if (ofSet === undefined || edits[hit] === Edit.delete || edits[hit] === Edit.shadowed) continue
      // Test conditions before anything inside is edited, so that the order of members does not
      // matter.
      if (ofSet.bases.length > 0) testGuards(ofSet.bases, record, hit)
      if (ofSet.targets.length > 0) apply(ofSet.targets, hit)
    }
  }

  function testGuards(bases: readonly Guard[], record: number, hit: number): void {
    const end = endOf(hits, hit)
    for (let i = 0; i < bases.length; i++) {
      const { rule, tests } = bases[i]
      // A condition that holds for an outer value also holds for everything inside it.
      if (until[rule] < end && holds(batch, tests, record, hit + 1, end)) until[rule] = end
    }
  }

  function apply(targets: readonly number[], hit: number): void {
    const kind = 1 << batch.kind(hit)
    const isFlat = (kind & STRUCTURES) === 0
    for (let i = 0; i < targets.length; i++) {
      const number = targets[i]
      const rule = rules[number]
      if ((rule.kinds & kind) === 0 || (rule.when !== undefined && hit >= until[number])) continue
      const edit = rule.edit(batch, hit)
      if (edit !== Edit.keep || !rule.searches) matches[number]++
      if (edit === Edit.keep) continue
      if (isFlat) edits[hit] = edit
      else batch.edit(hit, edit)
      if (edit === Edit.delete) return
    }
  }
}

function holds(batch: Batch, tests: readonly GuardTest[], record: number, first: number, last: number): boolean {
  for (let i = 0; i < tests.length; i++)
    if (!tests[i].holds(batch, find(batch, tests[i], first, last), record)) return false
  return true
}

/** The hits of a path that are not deleted or shadowed. The list is valid until the next call. */
function find(batch: Batch, { isAt }: GuardTest, first: number, last: number): readonly number[] {
  const { hits } = batch.index
  let found: number[] = NONE
  for (let hit = first; hit < last; hit++) {
    if (!isAt[hits[hit * HIT_STRIDE] & ACCEPT_MASK] || batch.kind(hit) === 0) continue
    if (found === NONE) {
      SINGLE[0] = hit
      found = SINGLE
    } else if (found === SINGLE) found = [SINGLE[0], hit]
    else found.push(hit)
  }
  return found
}

const STRUCTURES = (1 << ValueKind.object) | (1 << ValueKind.array)
const NONE: number[] = []
/** Reused for the usual case of one hit: a new list per record would be most of the garbage. */
const SINGLE = [0]

/** The number after the last hit inside this hit. */
function endOf(hits: Uint32Array, hit: number): number {
  const end = hits[hit * HIT_STRIDE + 3]
  let next = hit + 1
  while (next * HIT_STRIDE < hits.length && hits[next * HIT_STRIDE + 2] < end) next++
  return next
}
