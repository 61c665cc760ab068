import { Edit } from '../../record/edits.ts'
import { HIT_STRIDE, ValueKind } from '../../record/scan.ts'
import { cellOf } from './cells.ts'
import type { Compilation } from './cells.ts'
import { failAt } from './fault.ts'
import type { Fail } from './fault.ts'
import type { Run } from './frame.ts'
import { readValue } from './read-value.ts'
import type { Tree } from './tree.ts'
import { NONE, Optional } from './values.ts'

/** Reads a value of the record, once for each evaluation. */
export function compilePath(tree: Tree & { kind: 'path' }, scope: Compilation, fail: Fail): Run {
  const cell = cellOf(scope, tree.path)
  const absent = absence(tree.path)
  return (frame) => {
    if (frame.evaluation !== cell.evaluation) {
      const { batch, record } = frame
      const hit = batch.hit(record, cell.path)
      cell.value = hit < 0 ? undefined : readValue(batch, hit)
      cell.evaluation = frame.evaluation
    }
    const { value } = cell
    if (tree.isOptional) return value === undefined ? NONE : new Optional(value)
    return value === undefined ? fail(absent) : value
  }
}

/**
 * `record.service == "sso"`: compares the bytes. A string without escapes has exactly one spelling.
 * Undefined for anything else.
 */
export function compileTextEquality({ left, right }: Tree & { kind: 'binary' }, scope: Compilation): Run | undefined {
  const [one, other] = left.kind === 'path' ? [left, right] : [right, left]
  if (one.kind !== 'path' || one.isOptional || other.kind !== 'literal' || typeof other.value !== 'string') {
    return undefined
  }
  const text = other.value
  const json = Buffer.from(JSON.stringify(text))
  const { path } = cellOf(scope, one.path)
  const fail = failAt(one.start)
  const absent = absence(one.path)
  return ({ batch, record }) => {
    const hit = batch.hit(record, path)
    if (hit < 0) return fail(absent)
    const { hits } = batch.index
    if (batch.edits[hit] === Edit.keep && hits[HIT_STRIDE * hit] >>> 16 === ValueKind.string) {
      const start = hits[HIT_STRIDE * hit + 2]
      const end = hits[HIT_STRIDE * hit + 3]
      return end - start === json.length && batch.bytes.compare(json, 0, json.length, start, end) === 0
    }
    const kind = batch.kind(hit)
    return (kind === ValueKind.string || kind === ValueKind.escaped) && batch.text(hit) === text
  }
}

function absence(path: string): string {
  return `record${path.startsWith('[') ? path : `.${path}`} is absent`
}
