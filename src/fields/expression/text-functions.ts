import type { Call, ExpressionFunction } from './call.ts'
import { isList, kindOf } from './values.ts'
import type { Value } from './values.ts'

/**
 * The functions of texts. Positions count code points. They do not depend on a language: case is that of
 * ASCII.
 */
export const textFunctions: readonly (readonly [string, ExpressionFunction])[] = [
  method('contains', [2], ([text, part]) => text.includes(part)),
  method('startsWith', [2], ([text, part]) => text.startsWith(part)),
  method('endsWith', [2], ([text, part]) => text.endsWith(part)),
  method('lowerAscii', [1], ([text]) => text.replace(/[A-Z]+/g, (upper) => upper.toLowerCase())),
  method('upperAscii', [1], ([text]) => text.replace(/[a-z]+/g, (lower) => lower.toUpperCase())),
  method('trim', [1], ([text]) => text.trim()),
  method('replace', [3], ([text, part, other], _call, spend) => {
    if (part === '') return text
    const parts = text.split(part)
    spend((text.length + parts.length * other.length) >> 4)
    return parts.join(other)
  }),
  method('indexOf', [2], ([text, part]) => position(text, text.indexOf(part))),
  method('lastIndexOf', [2], ([text, part]) => position(text, text.lastIndexOf(part))),
  [
    'substring',
    {
      form: 'method',
      counts: [2, 3],
      run([text, from, to], call) {
        if (typeof text !== 'string') return call.fail(`substring() needs a text, not ${kindOf(text)}`)
        call.frame.spend(text.length >> 4)
        const points = SURROGATE.test(text) ? Array.from(text) : text
        const start = index(from, 0, points.length, call)
        const end = to === undefined ? points.length : index(to, start, points.length, call)
        return typeof points === 'string' ? points.slice(start, end) : points.slice(start, end).join('')
      },
    },
  ],
  method('split', [2], ([text, separator], _call, spend) => {
    const parts = separator === '' ? Array.from(text) : text.split(separator)
    spend(parts.length)
    return parts
  }),
  [
    'join',
    {
      form: 'method',
      counts: [1, 2],
      run([list, separator = ''], { frame, fail }) {
        if (!isList(list) || typeof separator !== 'string') return fail('join() needs a list of texts and a text')
        const texts: string[] = []
        for (const item of list) {
          if (typeof item !== 'string') return fail(`join() needs a list of texts; it has ${kindOf(item)} in it`)
          texts.push(item)
          frame.spend(1 + ((item.length + separator.length) >> 4))
        }
        return texts.join(separator)
      },
    },
  ],
]

const SURROGATE = /[\ud800-\udfff]/

/** A function whose arguments are texts. */
function method(
  name: string,
  counts: readonly number[],
  run: (texts: readonly string[], call: Call, spend: (steps: number) => void) => Value,
): [string, ExpressionFunction] {
  return [
    name,
    {
      form: 'method',
      counts,
      run(args, call) {
        const { frame, fail } = call
        const texts: string[] = []
        for (const value of args) {
          if (typeof value !== 'string') return fail(`${name}() needs a text, not ${kindOf(value)}`)
          texts.push(value)
        }
        frame.spend(texts[0].length >> 4)
        return run(texts, call, (steps) => frame.spend(steps))
      },
    },
  ]
}

function position(text: string, unit: number): bigint {
  if (unit <= 0 || !SURROGATE.test(text)) return BigInt(unit)
  return BigInt(Array.from(text.slice(0, unit)).length)
}

function index(value: Value | undefined, least: number, most: number, { fail }: Call): number {
  if (typeof value !== 'bigint') return fail('substring() needs ints as positions')
  return value < least || value > most ? fail('a position of substring() is outside the text') : Number(value)
}
