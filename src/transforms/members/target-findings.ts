import type { Finding } from '../../component.ts'
import { keysOf } from '../../record/paths/path.ts'
import { formatPath, parsePath } from '../../record/paths/grammar.ts'
import { covers, reaches } from '../../record/paths/reaches.ts'

/** The mistakes in a path from which a value is read. */
export function* sourceFindings(from: string, at: Finding['at']): Generator<Finding> {
  if (keysOf(parsePath(from)) !== undefined) return
  yield { at, message: `${from} may match several values; a value comes from a path of keys, such as user.email` }
}

/**
 * The mistakes in the target with this index among all targets: two writers of one value.
 * @param hint for a target inside another one
 */
export function* targetFindings(
  targets: readonly string[],
  index: number,
  at: Finding['at'],
  hint = 'put one of the two into a stage of its own',
): Generator<Finding> {
  const path = targets[index]
  if (targets.findIndex((other) => same(other, path)) < index) {
    yield { at, message: `${path} is set twice`, hint: 'leave out one of the two' }
    return
  }
  const around = targets.find((other, place) => place !== index && !same(other, path) && covers(other, path))
  if (around === undefined) return
  const message = `${path} is inside ${around}, which gets a value too`
  yield { at, message, hint }
}

/**
 * Says that the value of a target is made of a member that another target of the stage sets.
 * @param type of the stage
 */
export function* orderFindings(
  { path, reads }: { readonly path: string; readonly reads: readonly string[] },
  targets: readonly string[],
  at: Finding['at'],
  type: string,
): Generator<Finding> {
  const others = targets.filter((other) => !same(other, path))
  const read = reads.find((source) => others.some((other) => reaches(other, source)))
  if (read === undefined) return
  yield {
    at,
    message: `${read} is read as it comes in, not as this stage sets it`,
    hint: `to read the new value, put this member into a second ${type} stage`,
    severity: 'note',
  }
}

/** Whether two texts spell the same path. */
export function same(one: string, other: string): boolean {
  return formatPath(parsePath(one)) === formatPath(parsePath(other))
}
