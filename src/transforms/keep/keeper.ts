import { ACCEPT_MASK } from '../../record/paths/automaton.ts'
import { parsePath } from '../../record/paths/grammar.ts'
import type { Segment } from '../../record/paths/grammar.ts'
import type { Path, Paths } from '../../record/paths/path.ts'
import { Edit, RecordState } from '../../record/batch.ts'
import type { Batch } from '../../record/batch.ts'
import { HIT_STRIDE, RECORD_STRIDE, ValueKind } from '../../record/scan.ts'
import { AcceptSets } from '../members/accept-sets.ts'

/**
 * Removes what no path of a list matches from the live records of a batch.
 *
 * Besides the listed paths it asks for all prefixes of them (the way to the values), and for all
 * members beside them. So each member of an object on the way is a hit. It is listed, or on the way
 * and a container of the expected kind, or it is deleted.
 *
 * @param matches counts the values of each path
 */
export function createKeeper(texts: readonly string[], paths: Paths, matches: Float64Array): (batch: Batch) => void {
  const listed = texts.map((text) => paths.add(text))
  const ways = new Map<Path, number>()
  const beside: Path[] = []
  for (const text of texts) addWays(parsePath(text), paths, ways, beside)
  const used = [...listed, ...ways.keys(), ...beside]
  const rolesOf = new AcceptSets((accepted): Role => {
    const found = [...listed.keys()].filter((at) => accepted.includes(listed[at].id))
    let kinds = 0
    for (const [path, expected] of ways) if (accepted.includes(path.id)) kinds |= expected
    return { listed: found, kinds }
  })
  return (batch) => {
    const roles = rolesOf.of(batch, used)
    for (let record = 0; record < batch.count; record++) {
      if (batch.states[record] === RecordState.live) reduce(batch, record, roles, matches)
    }
  }
}

/** What the hits of an accept set are to the list. */
interface Role {
  /** Numbers of the listed paths that match. */
  readonly listed: readonly number[]
  /** Bits `1 << kind` of the containers that are on the way to a listed path. */
  readonly kinds: number
}

const OBJECT = 1 << ValueKind.object
const ARRAY = 1 << ValueKind.array

function addWays(segments: readonly Segment[], paths: Paths, ways: Map<Path, number>, beside: Path[]): void {
  for (const [at, { kind }] of segments.entries()) {
    const before = segments.slice(0, at)
    const isDeep = kind === 'deep' || before.at(-1)?.kind === 'deep'
    if (at > 0) {
      const way = paths.addSegments(before)
      const expected = isDeep ? OBJECT | ARRAY : kind === 'elements' ? ARRAY : OBJECT
      ways.set(way, (ways.get(way) ?? 0) | expected)
    }
    // All elements of an array on the way are hits of the next prefix.
    if (kind !== 'elements') beside.push(paths.addSegments([...before, { kind: isDeep ? 'deep' : 'members' }]))
  }
}

function reduce(batch: Batch, record: number, roles: readonly Role[], matches: Float64Array): void {
  const { hits, records } = batch.index
  const { edits } = batch
  const last = records[RECORD_STRIDE * (record + 1) + 2]
  /** Objects and arrays on the way that stay. */
  const opened: number[] = []
  let hit = records[RECORD_STRIDE * record + 2]
  let hasOtherShape = false
  const removed: number[] = []
  while (hit < last) {
    const edit = edits[hit]
    if (edit === Edit.delete || edit === Edit.shadowed) {
      hit++
      continue
    }
    const { listed, kinds } = roles[hits[HIT_STRIDE * hit] & ACCEPT_MASK]
    if (listed.length > 0) {
      for (let at = 0; at < listed.length; at++) matches[listed[at]]++
      hit = batch.endOf(hit)
    } else if (edit === Edit.keep && (kinds & (1 << batch.kind(hit))) !== 0) {
      opened.push(hit++)
    } else {
      if (kinds !== 0) hasOtherShape = true
      removed.push(hit)
      hit = batch.endOf(hit)
    }
  }
  // Of duplicate keys, a copy with another shape hides an earlier one. Without it, a value would
  // appear that no reader of the record has seen.
  const visible = hasOtherShape ? new Set(batch.visibleOf(record, opened)) : undefined
  for (const one of removed) batch.edit(one, Edit.delete)
  if (visible !== undefined) for (const one of opened) if (!visible.has(one)) batch.edit(one, Edit.delete)
}
