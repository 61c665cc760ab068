import { ACCEPT_MASK } from '../../record/paths/automaton.ts'
import { Edit } from '../../record/batch.ts'
import type { Batch } from '../../record/batch.ts'
import type { HitTest } from '../../record/author/condition.ts'
import type { Path } from '../../record/paths/path.ts'
import { HIT_STRIDE, RECORD_STRIDE } from '../../record/scan.ts'

/** What is done to the values at a path. */
export interface Rule {
  readonly path: Path
  /** Kinds of values that the rule is for, as bits `1 << kind`. */
  readonly kinds: number
  readonly when?: When
  /** The edit that a value gets: `Edit.delete`, a token, or `Edit.keep` for what it has. */
  edit(batch: Batch, hit: number): number
}

/** Tests on values near the one that is redacted. All must hold. */
export interface When {
  /** The array elements in which both are looked for; undefined for the whole record. */
  readonly base: Path | undefined
  readonly tests: readonly { readonly path: Path; readonly holds: HitTest }[]
}

/**
 * Applies rules, in order, to every value they match in every record of a batch, dead records and twins of duplicate keys included. What is
 * replaced or deleted takes all inside it along. Nothing is parsed.
 */
export function createRedactor(rules: readonly Rule[]): (batch: Batch) => void {
  const asked = rules.flatMap(({ path, when }) => [
    path,
    ...(when?.base ? [when.base] : []),
    ...(when?.tests ?? []).map((test) => test.path),
  ])
  const guards = rules.flatMap(({ when }, rule) => (when === undefined ? [] : [createGuard(rule, when)]))
  const ofRecord = guards.filter(({ base }) => base === undefined)
  let accepts: readonly (readonly number[])[] | undefined
  let roles: (Role | undefined)[] = []

  return (batch) => {
    if (batch.count === 0) return
    // Asking for a path that the index does not have makes the batch scan again.
    for (const path of asked) if (path.id >= batch.index.pathCount) batch.hit(0, path)
    const { index } = batch
    if (accepts !== index.accepts) {
      roles = []
      for (const { tests } of guards) for (const test of tests) test.isAt = []
    }
    accepts = index.accepts
    while (roles.length < accepts.length) {
      const paths = accepts[roles.length]
      roles.push(roleOf(rules, guards, paths))
      for (const { tests } of guards) for (const test of tests) test.isAt.push(paths.includes(test.path.id))
    }
    redact(batch, { rules, roles, ofRecord })
  }
}

/** What the values of one accept set mean to the rules. */
interface Role {
  /** Numbers of the rules that act on these values, in order. */
  readonly targets: readonly number[]
  /** Those whose conditions are about what is inside these values. */
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
  readonly holds: HitTest
  /** By accept set: whether its values are of this path. */
  isAt: boolean[]
}

interface Plan {
  readonly rules: readonly Rule[]
  readonly roles: readonly (Role | undefined)[]
  readonly ofRecord: readonly Guard[]
}

function createGuard(rule: number, { base, tests }: When): Guard {
  return { rule, base, tests: tests.map((test) => ({ ...test, isAt: [] })) }
}

function roleOf(rules: readonly Rule[], guards: readonly Guard[], paths: readonly number[]): Role | undefined {
  const targets = [...rules.keys()].filter((rule) => paths.includes(rules[rule].path.id))
  const bases = guards.filter(({ base }) => base !== undefined && paths.includes(base.id))
  return targets.length + bases.length === 0 ? undefined : { targets, bases }
}

/** Here and below there are no iterators: this is done for each hit. */
function redact(batch: Batch, { rules, roles, ofRecord }: Plan): void {
  const { hits, records } = batch.index
  const { edits } = batch
  /** By rule: up to which hit its condition holds. */
  const until = new Uint32Array(rules.length)

  for (let record = 0; record < batch.count; record++) {
    const last = records[(record + 1) * RECORD_STRIDE + 2]
    let hit = records[record * RECORD_STRIDE + 2]
    for (let i = 0; i < ofRecord.length; i++) {
      if (holds(batch, ofRecord[i].tests, hit, last)) until[ofRecord[i].rule] = last
    }
    for (; hit < last; hit++) {
      const role = roles[hits[hit * HIT_STRIDE] & ACCEPT_MASK]
      if (role === undefined || edits[hit] === Edit.delete || edits[hit] === Edit.shadowed) continue
      // Before anything inside is edited, so that the order of members does not matter.
      if (role.bases.length > 0) look(role.bases, hit)
      if (role.targets.length > 0) apply(role.targets, hit)
    }
  }

  function look(bases: readonly Guard[], hit: number): void {
    const end = endOf(hits, hit)
    for (let i = 0; i < bases.length; i++) {
      const { rule, tests } = bases[i]
      // What holds for a value around this one holds for all inside.
      if (until[rule] < end && holds(batch, tests, hit + 1, end)) until[rule] = end
    }
  }

  function apply(targets: readonly number[], hit: number): void {
    const kind = 1 << batch.kind(hit)
    for (let i = 0; i < targets.length; i++) {
      const number = targets[i]
      const rule = rules[number]
      if ((rule.kinds & kind) === 0 || (rule.when !== undefined && hit >= until[number])) continue
      const edit = rule.edit(batch, hit)
      if (edit === Edit.keep) continue
      batch.edit(hit, edit)
      if (edit === Edit.delete) return
    }
  }
}

function holds(batch: Batch, tests: readonly GuardTest[], first: number, last: number): boolean {
  for (let i = 0; i < tests.length; i++) if (!tests[i].holds(batch, find(batch, tests[i], first, last))) return false
  return true
}

/** Hits of a path that are still there. The list is good until the next call. */
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

const NONE: number[] = []
/** Mostly there is one hit: it has this list, since a new one for each record would be most of what the garbage collector gets. */
const SINGLE = [0]

/** The number behind the last hit inside this one. */
function endOf(hits: Uint32Array, hit: number): number {
  const end = hits[hit * HIT_STRIDE + 3]
  let next = hit + 1
  while (next * HIT_STRIDE < hits.length && hits[next * HIT_STRIDE + 2] < end) next++
  return next
}
