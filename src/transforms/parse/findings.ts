import type { Finding } from '../../component.ts'
import { keysOf } from '../../record/paths/path.ts'
import { formatPath, parsePath } from '../../record/paths/grammar.ts'
import { covers } from '../../record/paths/reaches.ts'
import { sourceFindings, same } from '../members/target-findings.ts'
import { separatorsOf } from './formats.ts'
import type { ParseConfig } from './parser.ts'

/** The mistakes in the configuration of `parse`. */
export function* findingsOf(config: ParseConfig): Generator<Finding> {
  const { path, to, merge } = config
  const segments = parsePath(path)
  if (segments.some(({ kind }) => kind === 'deep')) {
    const hint = 'name the texts, for example messages[*].body'
    yield { at: ['path'], message: `${path} would parse texts at any depth`, hint }
  } else if (to !== undefined) {
    yield* sourceFindings(path, ['path'])
    yield* targetMistakes(path, to)
  }
  if (merge && to !== undefined) {
    yield { at: ['merge'], message: 'merge puts the members into the record itself; it has no use for to' }
  } else if (merge && keysOf(segments)?.length !== 1) {
    const hint = 'move the text there first, with rename'
    yield { at: ['path'], message: `merge takes a text that is a member of the record itself, not ${path}`, hint }
  }
  yield* separatorMistakes(config)
}

function* separatorMistakes({ format, pairSeparator, keySeparator }: ParseConfig): Generator<Finding> {
  for (const [name, separator] of Object.entries({ pairSeparator, keySeparator })) {
    if (separator === undefined) continue
    if (format !== 'keyValue') {
      const hint = 'leave it out, or write format: keyValue'
      yield { at: [name], message: `${name} has no effect with format: ${format}`, hint }
    } else if (/["'\\]/.test(separator)) {
      yield { at: [name], message: `${name} contains a quote or a backslash, which have a meaning in values` }
    }
  }
  if (format !== 'keyValue') return
  const { pairs, keys } = separatorsOf({ format, pairSeparator, keySeparator })
  if (pairs !== keys && (pairs !== ' ' || keys.trim() !== '')) return
  const at = [keySeparator === undefined ? 'pairSeparator' : 'keySeparator']
  const hint = 'a space stands for any whitespace, and is the default of pairSeparator: set both'
  yield { at, message: 'pairSeparator and keySeparator are the same, so nobody knows where a value ends', hint }
}

function* targetMistakes(path: string, to: string): Generator<Finding> {
  if (keysOf(parsePath(path)) === undefined) return
  if (same(path, to)) {
    yield { at: ['to'], message: `${path} is parsed onto itself`, hint: 'leave out to: the value replaces the text' }
  } else if (covers(formatPath(parsePath(path)), to)) {
    yield { at: ['to'], message: `${to} is inside ${path}, which is a text`, hint: 'choose a member beside it' }
  }
}
