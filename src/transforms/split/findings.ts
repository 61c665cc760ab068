import type { Finding } from '../../component.ts'
import { keysOf } from '../../record/paths/path.ts'
import { parsePath } from '../../record/paths/grammar.ts'
import { covers, reaches } from '../../record/paths/reaches.ts'
import { same, sourceFindings, targetFindings } from '../members/target-findings.ts'

export interface Copy {
  readonly from: string
  readonly to: string
}

export interface SplitConfig {
  readonly path: string
  readonly copy: readonly (string | Copy)[]
  readonly as?: string | undefined
  readonly index?: string | undefined
}

/** The entries of `copy`, each with its new path. */
export function copiesOf(copy: SplitConfig['copy']): Copy[] {
  return copy.map((entry) => (typeof entry === 'string' ? { from: entry, to: entry } : entry))
}

const OTHER_NAME = 'give one of the two another name'

/** The mistakes in the configuration of `split`. */
export function* findingsOf({ path, copy, as, index }: SplitConfig): Generator<Finding> {
  const segments = parsePath(path)
  if (keysOf(segments) === undefined) {
    const isArray = segments.at(-1)?.kind === 'elements' && keysOf(segments.slice(0, -1)) !== undefined
    const hint = isArray
      ? `name the array itself: ${path.slice(0, -'[*]'.length)}`
      : 'an array inside another one takes two split stages, the outer one first'
    yield { at: ['path'], message: `${path} may match several values; split reads one array`, hint }
    return
  }
  const targets = [...copiesOf(copy).map(({ to }) => to), ...[as, index].filter((target) => target !== undefined)]
  for (const [number, entry] of copy.entries()) {
    const at = ['copy', number]
    const isText = typeof entry === 'string'
    const { from, to } = isText ? { from: entry, to: entry } : entry
    yield* sourceMistakes(from, path, isText ? at : [...at, 'from'])
    if (!isText && same(from, to)) {
      yield { at: [...at, 'to'], message: `${from} keeps its name`, hint: `write ${from} alone`, severity: 'note' }
    }
    if (isText && reaches(from, path)) continue
    yield* targetFindings(targets, number, isText ? at : [...at, 'to'], OTHER_NAME)
  }
  if (as !== undefined) yield* targetFindings(targets, copy.length, ['as'], OTHER_NAME)
  if (index !== undefined) yield* targetFindings(targets, targets.length - 1, ['index'], OTHER_NAME)
}

function* sourceMistakes(from: string, path: string, at: Finding['at']): Generator<Finding> {
  if (keysOf(parsePath(from)) === undefined) {
    yield* sourceFindings(from, at)
  } else if (covers(from, path)) {
    const message = `${from} is copied into each element, and contains all elements`
    yield { at, message, hint: 'name the members of it that you need' }
  } else if (reaches(from, path)) {
    yield { at, message: `${from} is inside the array ${path}`, hint: 'leave it out: elements keep their members' }
  }
}
