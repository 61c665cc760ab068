import type { Finding } from '../../component.ts'
import { Paths, keysOf } from '../../record/paths/path.ts'
import { formatPath, parsePath } from '../../record/paths/grammar.ts'
import { covers } from '../../record/paths/reaches.ts'

/**
 * The mistakes in the list `paths` of `remove` and `keep`.
 * @param effect what a path that matches everything does
 */
export function* findingsOf(texts: readonly string[], effect: string): Generator<Finding> {
  const known = new Paths()
  const paths = texts.map((text) => known.add(text))
  for (const [at, path] of paths.entries()) {
    const text = texts[at]
    if (paths.indexOf(path) !== at) {
      yield { at: ['paths', at], message: `${text} is in the list twice` }
      continue
    }
    if (matchesAll(text)) {
      const hint = 'name the members, for example labels.* or **.debug'
      yield { at: ['paths', at], message: `${text} ${effect}`, hint, severity: 'warning' }
      continue
    }
    const around = texts.find((other, index) => paths[index] !== path && !matchesAll(other) && isInside(text, other))
    if (around === undefined) continue
    const message = `${text} has no effect: ${around} is in the list, and includes it`
    yield { at: ['paths', at], message, hint: 'leave out one of the two', severity: 'warning' }
  }
}

function matchesAll(text: string): boolean {
  const segments = parsePath(text)
  return segments.length === 1 && (segments[0].kind === 'members' || segments[0].kind === 'deep')
}

/** Whether a path of keys leads into what another path matches. */
function isInside(text: string, around: string): boolean {
  const segments = parsePath(text)
  return keysOf(segments) !== undefined && covers(around, formatPath(segments))
}
