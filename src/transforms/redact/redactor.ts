import { ACCEPT_MASK } from '../../record/automaton.ts'
import { Edit } from '../../record/batch.ts'
import type { Batch } from '../../record/batch.ts'
import type { HitTest } from '../../record/condition.ts'
import type { Path } from '../../record/path.ts'
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
  const guards = rules.flatMap(({ path, when }, rule) => (when === undefined ? [] : [createGuard(rule, path, when)]))
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
      for (const sought of guards.flatMap(({ target, tests }) => [target, ...tests])) sought.isAt = []
    }
    accepts = index.accepts
    while (roles.length < accepts.length) {
      const paths = accepts[roles.length]
      roles.push(roleOf(rules, guards, paths))
      for (const sought of guards.flatMap(({ target, tests }) => [target, ...tests])) {
        sought.isAt.push(paths.includes(sought.path.id))
      }
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
  readonly target: Sought
  readonly tests: readonly (Sought & { readonly holds: HitTest })[]
}

/** A path, and by accept set whether it is one of it. */
interface Sought {
  readonly path: Path
  isAt: boolean[]
}

interface Plan {
  readonly rules: readonly Rule[]
  readonly roles: readonly (Role | undefined)[]
  readonly ofRecord: readonly Guard[]
}

function createGuard(rule: number, path: Path, { base, tests }: When): Guard {
  return { rule, base, target: { path, isAt: [] }, tests: tests.map((test) => ({ ...test, isAt: [] })) }
}

function roleOf(rules: readonly Rule[], guards: readonly Guard[], paths: readonly number[]): Role | undefined {
  const targets = [...rules.keys()].filter((rule) => paths.includes(rules[rule].path.id))
  const bases = guards.filter(({ base }) => base !== undefined && paths.includes(base.id))
  return targets.length + bases.length === 0 ? undefined : { targets, bases }
}

function redact(batch: Batch, { rules, roles, ofRecord }: Plan): void {
  const { hits, records } = batch.index
  const { edits } = batch
  /** By hit: the rules whose conditions hold for it. */
  const granted = new Map<number, number[]>()

  for (const guard of ofRecord) {
    for (let record = 0; record < batch.count; record++) {
      grant(guard, records[record * RECORD_STRIDE + 2], records[(record + 1) * RECORD_STRIDE + 2])
    }
  }
  for (let hit = 0; hit < edits.length; hit++) {
    const role = roles[hits[hit * HIT_STRIDE] & ACCEPT_MASK]
    if (role === undefined || edits[hit] === Edit.delete || edits[hit] === Edit.shadowed) continue
    // Before anything inside is edited, so that the order of members does not matter.
    if (role.bases.length > 0) {
      const end = endOf(hits, hit)
      for (const guard of role.bases) grant(guard, hit + 1, end)
    }
    if (role.targets.length > 0) apply(role.targets, hit)
  }

  function grant({ rule, target, tests }: Guard, first: number, last: number): void {
    let hit = first
    while (hit < last && !target.isAt[hits[hit * HIT_STRIDE] & ACCEPT_MASK]) hit++
    if (hit === last || !tests.every((test) => test.holds(batch, find(test, first, last)))) return
    for (; hit < last; hit++) {
      if (!target.isAt[hits[hit * HIT_STRIDE] & ACCEPT_MASK]) continue
      const others = granted.get(hit)
      if (others === undefined) granted.set(hit, [rule])
      else others.push(rule)
    }
  }

  /** Hits of a path that are still there. */
  function find({ isAt }: Sought, first: number, last: number): number[] {
    let found: number[] | undefined
    for (let hit = first; hit < last; hit++) {
      if (!isAt[hits[hit * HIT_STRIDE] & ACCEPT_MASK] || batch.kind(hit) === 0) continue
      // Mostly there is one.
      if (found === undefined) found = [hit]
      else found.push(hit)
    }
    return found ?? []
  }

  function apply(targets: readonly number[], hit: number): void {
    const kind = 1 << batch.kind(hit)
    for (const number of targets) {
      const rule = rules[number]
      if ((rule.kinds & kind) === 0 || (rule.when !== undefined && !granted.get(hit)?.includes(number))) continue
      const edit = rule.edit(batch, hit)
      if (edit === Edit.keep) continue
      batch.edit(hit, edit)
      if (edit === Edit.delete) return
    }
  }
}

/** The number behind the last hit inside this one. */
function endOf(hits: Uint32Array, hit: number): number {
  const end = hits[hit * HIT_STRIDE + 3]
  let next = hit + 1
  while (next * HIT_STRIDE < hits.length && hits[next * HIT_STRIDE + 2] < end) next++
  return next
}
