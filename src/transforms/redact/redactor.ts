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
  const ofRecord = rules.flatMap(({ when }, rule) => (when !== undefined && when.base === undefined ? [rule] : []))
  let accepts: readonly (readonly number[])[] | undefined
  let roles: (Role | undefined)[] = []

  return (batch) => {
    if (batch.count === 0) return
    // Asking for a path that the index does not have makes the batch scan again.
    for (const path of asked) if (path.id >= batch.index.pathCount) batch.hit(0, path)
    const { index } = batch
    if (accepts !== index.accepts) roles = []
    accepts = index.accepts
    while (roles.length < accepts.length) roles.push(roleOf(rules, accepts[roles.length]))
    redact(batch, { rules, roles, ofRecord })
  }
}

/** What the values of one accept set mean to the rules; numbers of rules, in order. */
interface Role {
  /** Rules that act on these values. */
  readonly targets: readonly number[]
  /** By rule: whether it is one of them. */
  readonly isTarget: readonly boolean[]
  /** Rules whose conditions are about what is inside these values. */
  readonly bases: readonly number[]
}

interface Plan {
  readonly rules: readonly Rule[]
  readonly roles: readonly (Role | undefined)[]
  readonly ofRecord: readonly number[]
}

function roleOf(rules: readonly Rule[], paths: readonly number[]): Role | undefined {
  const numbers = [...rules.keys()]
  const targets = numbers.filter((rule) => paths.includes(rules[rule].path.id))
  const bases = numbers.filter((rule) => paths.includes(rules[rule].when?.base?.id ?? -1))
  if (targets.length + bases.length === 0) return undefined
  return { targets, isTarget: numbers.map((rule) => targets.includes(rule)), bases }
}

function redact(batch: Batch, { rules, roles, ofRecord }: Plan): void {
  const { hits, records } = batch.index
  const { edits } = batch
  /** By hit: the rules whose conditions hold for it. */
  const granted = new Map<number, number[]>()

  for (const rule of ofRecord) {
    for (let record = 0; record < batch.count; record++) {
      grant(rule, records[record * RECORD_STRIDE + 2], records[(record + 1) * RECORD_STRIDE + 2])
    }
  }
  for (let hit = 0; hit < edits.length; hit++) {
    const role = roles[hits[hit * HIT_STRIDE] & ACCEPT_MASK]
    if (role === undefined || edits[hit] === Edit.delete || edits[hit] === Edit.shadowed) continue
    // Before anything inside is edited, so that the order of members does not matter.
    for (const rule of role.bases) grant(rule, hit + 1, endOf(hits, hit))
    if (role.targets.length > 0) apply(role.targets, hit)
  }

  function grant(rule: number, first: number, last: number): void {
    const targets: number[] = []
    for (let hit = first; hit < last; hit++) {
      if (roles[hits[hit * HIT_STRIDE] & ACCEPT_MASK]?.isTarget[rule] === true) targets.push(hit)
    }
    if (targets.length === 0 || !holds(batch, rules[rule].when?.tests ?? [], first, last)) return
    for (const hit of targets) {
      const others = granted.get(hit)
      if (others === undefined) granted.set(hit, [rule])
      else others.push(rule)
    }
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

function holds(batch: Batch, tests: When['tests'], first: number, last: number): boolean {
  for (const test of tests) {
    const found: number[] = []
    for (let hit = first; hit < last; hit++) if (batch.kind(hit) !== 0 && batch.belongs(hit, test.path)) found.push(hit)
    if (!test.holds(batch, found)) return false
  }
  return true
}

/** The number behind the last hit inside this one. */
function endOf(hits: Uint32Array, hit: number): number {
  const end = hits[hit * HIT_STRIDE + 3]
  let next = hit + 1
  while (next * HIT_STRIDE < hits.length && hits[next * HIT_STRIDE + 2] < end) next++
  return next
}
