import type { RecordShape } from '../component.ts'
import { keysOf } from '../record/paths/path.ts'
import { formatPath, parsePath } from '../record/paths/grammar.ts'
import { covers, reaches } from '../record/paths/reaches.ts'
import { segmentsOf } from './check-paths.ts'
import type { FoundPath } from './check-paths.ts'
import type { Problem } from './pipeline.ts'
import { problemAt } from './yaml-location.ts'

/** A stage, and what it does to the members of every record. Without a shape, nobody knows. */
export interface ShapedStage {
  readonly stage: string
  readonly shape: RecordShape | undefined
}

/** A stage that reads paths. */
interface Reader {
  readonly stage: string
  readonly isSink: boolean
  readonly paths: readonly FoundPath[]
  /** True if the stage is of no use without the values: the key of `dedup`. */
  readonly needsValues: boolean
}

/** Reports the paths of a stage whose values an earlier stage has removed from every record. */
export function checkRemoved(
  { stage, isSink, paths, needsValues }: Reader,
  earlier: readonly ShapedStage[],
  problems: Problem[],
): void {
  for (const { text, location } of paths) {
    const remover = removerOf(text, earlier)
    if (remover === undefined) continue
    const message = `no record has ${text} here: the earlier stage ${remover.stage} removes it`
    const hint = `${wayOut(text, remover)}${isSink ? '' : `, or move ${stage} before ${remover.stage}`}`
    problems.push(problemAt(location, message, { hint, severity: needsValues ? 'error' : 'warning' }))
  }
}

function wayOut(text: string, { stage, shape }: ShapedStage): string {
  const target = knownPart(text) ?? text
  const moved = shape?.writes?.find(({ from }) => from.some((path) => covers(path, target)))
  if (moved !== undefined) return `read ${moved.path}, its new name`
  return shape?.keeps === undefined ? `leave it out of the paths of ${stage}` : `add it to the paths of ${stage}`
}

/**
 * Reports a dedup key that is the same in all records that an earlier stage makes of one record: all
 * but the first would count as duplicates.
 */
export function checkDistinct(
  key: readonly string[],
  paths: readonly FoundPath[],
  earlier: readonly ShapedStage[],
  problems: Problem[],
): void {
  const found = earlier.find(({ shape }, at) => {
    const shares = shape?.shares
    return shares !== undefined && key.every((path) => isShared(path, shares, earlier.slice(at + 1)))
  })
  if (found === undefined || paths.length === 0) return
  const { stage } = found
  const message = `all records that ${stage} makes of one record have the same dedup key`
  const hint = `add a path of their own to key, such as the one of index of ${stage}, or move dedup before ${stage}`
  problems.push(problemAt(paths[0].location, message, { hint }))
}

/** Whether the value at a path comes from shared ones alone, or is a constant, after some more stages. */
function isShared(path: string, shares: readonly string[], stages: readonly ShapedStage[]): boolean {
  for (const [at, { shape }] of [...stages.entries()].toReversed()) {
    const written = shape?.writes?.findLast((write) => covers(write.path, path))
    if (written !== undefined) return written.from.every((source) => isShared(source, shares, stages.slice(0, at)))
  }
  return shares.some((share) => covers(share, path))
}

/**
 * Reports the paths of a dedup key whose values come from a table that changes, also if they were copied
 * since: the same event would get another key, and be written again.
 */
export function checkVarying(
  { stage, paths }: Pick<Reader, 'stage' | 'paths'>,
  earlier: readonly ShapedStage[],
  problems: Problem[],
): void {
  for (const { text, location } of paths) {
    const origin = varyingOrigin(text, earlier)
    if (origin === undefined) continue
    const message = `${text} comes from the table of ${origin}: when that changes, the same event gets another dedup key`
    problems.push(
      problemAt(location, message, { hint: `move ${stage} before ${origin}, or leave the path out of the key` }),
    )
  }
}

/** The last stage whose table a value comes from. */
function varyingOrigin(text: string, stages: readonly ShapedStage[]): string | undefined {
  let values = [text]
  for (const { stage, shape } of stages.toReversed()) {
    const written = (shape?.writes ?? []).filter(({ path }) => values.some((value) => reaches(path, value)))
    if (written.some(({ varies }) => varies === true)) return stage
    values = [...new Set([...values, ...written.flatMap(({ from }) => from)])]
  }
  return undefined
}

/** Whether one of the stages gives records a value at a path, around it or inside it. */
export function isWritten(text: string, stages: readonly ShapedStage[]): boolean {
  const target = knownPart(text)
  return stages.some(({ shape }) => target !== undefined && writes(shape, target))
}

/** The last of the stages that removes the value at a path; undefined if it may be there. */
function removerOf(text: string, stages: readonly ShapedStage[]): ShapedStage | undefined {
  const target = knownPart(text)
  if (target === undefined) return undefined
  for (const stage of stages.toReversed()) {
    const { shape } = stage
    if (shape === undefined || writes(shape, target)) return undefined
    const { removes = [], keeps } = shape
    if (removes.some((path) => covers(path, target))) return stage
    if (keeps !== undefined && !keeps.some((path) => reaches(path, target) || isDeep(path))) return stage
  }
  return undefined
}

function writes(shape: RecordShape | undefined, target: string): boolean {
  return shape?.writes?.some(({ path }) => reaches(path, target)) === true
}

/** The keys with which a path begins, as a path; undefined if it begins with a wildcard. */
function knownPart(text: string): string | undefined {
  const segments = segmentsOf(text)
  let length = segments.length
  while (length > 0 && keysOf(segments.slice(0, length)) === undefined) length--
  return length === 0 ? undefined : formatPath(segments.slice(0, length))
}

/** A path at any depth may lead into any value. */
function isDeep(text: string): boolean {
  return parsePath(text)[0].kind === 'deep'
}
