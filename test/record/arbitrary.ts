import * as fc from 'fast-check'

/** Spellings of keys: some of the same key, some dangerous. */
const KEYS = [
  'a',
  'b',
  'c',
  '\\u0061',
  'password',
  'pass\\u0077ord',
  'PASSWORD',
  '\uff50\uff41\uff53\uff53word',
  'changes',
  'from',
  'to',
  '\u00e9',
  'e\u0301',
  '\\u00e9',
  '',
  'x.y',
  '\\"',
  '\\ud800',
  '__proto__',
  'constructor',
  'k'.repeat(64),
  'k'.repeat(70),
]

const SCALARS = [
  'true',
  'false',
  'null',
  '0',
  '-0',
  '-1',
  '1.10',
  '1e400',
  '-1E-7',
  '0.0000001',
  '9007199254740993',
  '9007199254740992',
  '123456789012345',
  '1234567890123456',
  '0.1',
  '""',
  '"x"',
  '"a b"',
  '"\u00e9\u{1f600}"',
  '"\\n"',
  '"\\ud800"',
  '"}],:{["',
  '"\\\\\\""',
  `"${'s'.repeat(40)}"`,
]

const space = fc.constantFrom('', '', '', '', ' ', '\t', '\r', '  ')
const key = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('a', 'b', 'c', 'password', 'changes') },
  { weight: 2, arbitrary: fc.constantFrom(...KEYS) },
)

const tree = fc.letrec<{ value: string; object: string; array: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, depthIdentifier: 'json', withCrossShrink: true },
    fc.constantFrom(...SCALARS),
    tie('object'),
    tie('array'),
  ),
  object: fc
    .array(fc.tuple(space, key, space, space, tie('value'), space), { maxLength: 5, depthIdentifier: 'json' })
    .map(
      (members) => `{${members.map(([a, name, b, c, value, d]) => `${a}"${name}"${b}:${c}${value}${d}`).join(',')}}`,
    ),
  array: fc
    .array(fc.tuple(space, tie('value'), space), { maxLength: 4, depthIdentifier: 'json' })
    .map((elements) => `[${elements.map(([a, value, b]) => a + value + b).join(',')}]`),
}))

/**
 * JSON text of an object, with odd spacing, escapes, duplicate keys, and numbers that JavaScript
 * rounds.
 */
export const recordText = tree.object

/** JSON text of any value. */
export const valueText = tree.value

/** Paths that use the same keys. */
export const pathText = fc.constantFrom(
  'a',
  'b',
  'c',
  'a.b',
  'a.b.c',
  'a.a.a',
  'b.a',
  'c.password',
  '*',
  'a.*',
  '*.*',
  'b[*]',
  'a[*]',
  'b[*][*]',
  'a[*].b',
  '**',
  '**.a',
  'a.**',
  '**[*]',
  '**[*].a',
  '**.a.b',
  '**.a.**.b',
  '**.password',
  '**./pass/i',
  '/^PASS/i',
  '**./\u00e9/',
  'changes[*].{from,to}',
  'changes[*].*',
  '{a,b}.{b,c}',
  'a.{a,b}',
  '["x.y"]',
  '\u00e9',
  '["__proto__"]',
  'constructor',
  '["\\ud800"]',
  '[""]',
  '["\\""]',
  'k'.repeat(70),
)

export const plainPathText = fc.constantFrom(
  'a',
  'b',
  'c',
  'a.b',
  'a.b.c',
  'a.a.a',
  'b.a',
  'c.password',
  'password',
  '\u00e9',
  '["x.y"]',
  '[""]',
  'changes.from',
)
