import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import parse from '../../src/transforms/parse.ts'
import { assertStage, checkStage, runStage } from './stage.ts'

/** A record with a text in the member `p`. */
function record(text: string): string {
  return JSON.stringify({ p: text })
}

/** What the text of `p` becomes: JSON text, or the detail of the reject. */
async function parsed(text: string, config: object): Promise<string | undefined> {
  const { lines, rejects } = await runStage(parse, { path: 'p', ...config }, [record(text)])
  if (lines.length === 1) return /^\{"p":(.*)\}$/s.exec(lines[0])?.[1]
  assert.deepEqual([rejects[0].code, rejects[0].text], ['PARSE_FAILED', record(text)])
  return rejects[0].detail
}

async function assertParsed(config: object, cases: readonly (readonly [string, string])[]): Promise<void> {
  for (const [text, expected] of cases) assert.equal(await parsed(text, config), expected, text)
}

test('JSON keeps its spelling: digits, escapes, spaces, duplicate keys, lone surrogates', async () => {
  await assertParsed({}, [
    ['{ "a" : 12345678901234567890.10, "a":1e400 }', '{ "a" : 12345678901234567890.10, "a":1e400 }'],
    ['{"__proto__":{"x":1},"constructor":1}', '{"__proto__":{"x":1},"constructor":1}'],
    ['{"a":"\\u00e9 é 😀 \\ud800"}', '{"a":"\\u00e9 é 😀 \\ud800"}'],
    ['{"a":"\ud800","b":"\udc00\ud83d\ude00"}', '{"a":"\\ud800","b":"\\udc00😀"}'],
    ['[1,{"b":"\\"]"}]', '[1,{"b":"\\"]"}]'],
    ['1.0', '1.0'],
    ['null', 'null'],
    ['"\\"text\\""', '"\\"text\\""'],
  ])
})

test('a byte order mark, space around and lines of pretty-printed JSON are no error', async () => {
  await assertParsed({}, [
    ['\ufeff{}', '{}'],
    [' \r\n{"a" : "x y"}\n', '{"a" : "x y"}'],
    ['{\n  "a": [1,\r\n    2],\n  "b": "x  y"\n}', '{"a":[1,2],"b":"x  y"}'],
  ])
})

test('text that is not exactly one JSON value rejects the record as it came', async () => {
  const texts = [
    '',
    ' ',
    'x',
    '{',
    '{}{}',
    '{} x',
    '1,"b":2',
    '1,"":2',
    '1}\n{"":2',
    "{'a':1}",
    '{"a":1,}',
    'NaN',
    '01',
  ]
  for (const text of [...texts, '"a\nb"', '{"a":"\n"}', '\ufeff\ufeff1', '\ud800', 'tru e', '1\n2']) {
    assert.equal(await parsed(text, {}), 'p: it is not JSON', JSON.stringify(text))
  }
})

function nested(depth: number): string {
  return '['.repeat(depth) + ']'.repeat(depth)
}

test('nesting counts from the record: what fits is parsed, what does not is rejected as it came', async () => {
  assert.equal(await parsed(nested(63), {}), nested(63))
  assert.equal(await parsed(nested(64), {}), 'p: it is nested deeper than limits.maxDepth allows')
  const { rejects } = await runStage(parse, { path: 'p', to: 'a.b' }, [record(nested(63))])
  assert.equal(rejects[0].detail, 'p: it is nested deeper than limits.maxDepth allows')
  assert.equal(await parsed(nested(100_000), {}), 'p: it is nested deeper than limits.maxDepth allows')
})

test('members that are absent or no text stay as they are; a bad text stays with onError: leave', async () => {
  const cases = ['{"a":1}', '{"p":null}', '{"p":{"a":"1"}}', '{"p":[ "1"]}', '{"p":1.10}', '{"p":true}']
  for (const format of ['json', 'keyValue', 'query']) {
    await assertStage(
      parse,
      { path: 'p', format },
      cases.map((line) => [line, line]),
    )
  }
  await assertStage(parse, { path: 'p', onError: 'leave' }, [
    ['{"p":"x{"}', '{"p":"x{"}'],
    ['{"p":"[1]"}', '{"p":[1]}'],
  ])
})

test('the value goes to another member, and the text stays; a value on the way blocks', async () => {
  const config = { path: 'a.p', to: 'b.c' }
  await assertStage(parse, config, [
    ['{"a":{"p":"{\\"x\\":1}"}}', '{"a":{"p":"{\\"x\\":1}"},"b":{"c":{"x":1}}}'],
    ['{"a":{"p":"2"},"b":{"c":1,"d":2}}', '{"a":{"p":"2"},"b":{"c":2,"d":2}}'],
    ['{"a":{"p":"2"},"b":null}', '{"a":{"p":"2"},"b":{"c":2}}'],
  ])
  const { rejects } = await runStage(parse, config, ['{"a":{"p":"1"},"b":"x"}'])
  assert.deepEqual([rejects[0].code, rejects[0].text], ['PATH_BLOCKED', '{"a":{"p":"1"},"b":"x"}'])
})

test('parses the texts of all elements, and every copy of a duplicate key', async () => {
  await assertStage(parse, { path: 'm[*].b' }, [
    ['{"m":[{"b":"{\\"x\\":1}"},{"b":"2"},{"c":"3"},{"b":4}]}', '{"m":[{"b":{"x":1}},{"b":2},{"c":"3"},{"b":4}]}'],
  ])
  await assertStage(parse, { path: 'p' }, [['{"p":"[1]","\\u0070":"[2]"}', '{"p":[1],"\\u0070":[2]}']])
  const { rejects } = await runStage(parse, { path: 'm[*].b' }, ['{"m":[{"b":"1"},{"b":"x"}]}'])
  assert.equal(rejects[0].text, '{"m":[{"b":"1"},{"b":"x"}]}')
})

test('merges the members of the text into the record, without writing over one', async () => {
  const merge = { path: 'p', merge: true }
  await assertStage(parse, merge, [
    ['{"p":"{ \\"a\\" : 1.0 , \\"p\\":2 }","z":0}', '{"z":0,"a" : 1.0 , "p":2}'],
    ['{"p":"{}"}', '{}'],
    ['{"p":"{ }","z":1 }', '{"z":1 }'],
    ['{"z":1}', '{"z":1}'],
    ['{"p":"{\\"a\\":1}","b":2,"p":"{\\"c\\":1}"}', '{"b":2,"c":1}'],
  ])
  const { rejects } = await runStage(parse, merge, ['{"p":"{\\"z\\":1}","\\u007a":0}', '{"p":"[1]"}'])
  assert.deepEqual(
    rejects.map(({ code, detail, text }) => [code, detail, text]),
    [
      ['KEY_EXISTS', 'the record has a member of p already', '{"p":"{\\"z\\":1}","\\u007a":0}'],
      ['PARSE_FAILED', 'p: it is not an object', '{"p":"[1]"}'],
    ],
  )
})

test('parses key=value pairs with quotes, flags and repeated keys; all values are texts', async () => {
  await assertParsed({ format: 'keyValue' }, [
    [
      'level=info  msg="signed \\"in\\" C:\\\\x\\new" ok',
      '{"level":"info","msg":"signed \\"in\\" C:\\\\x\\\\new","ok":""}',
    ],
    ["a='b c' d=e=f g= n=1.10", '{"a":"b c","d":"e=f","g":"","n":"1.10"}'],
    ['tag=a\ttag=b\ntag=c', '{"tag":["a","b","c"]}'],
    ['__proto__=1 user.name=ann', '{"__proto__":"1","user.name":"ann"}'],
    ['a=\ud800 \u00e9="\u{1f600}"', '{"a":"\\ud800","é":"😀"}'],
    ['"user name"="Ann B" "a=b"=1 "c"', '{"user name":"Ann B","a=b":"1","\\"c\\"":""}'],
    ["name=O'Brien", '{"name":"O\'Brien"}'],
    ['signed in', 'p: it has no pairs with "="'],
    ['', 'p: it has no pairs with "="'],
    ['a=1 =2', 'p: a pair has no key'],
    ['a="x', 'p: a quote is not closed'],
    ['a="x"y', 'p: a quoted value continues after its closing quote'],
  ])
})

test('pairs have other separators', async () => {
  await assertParsed({ format: 'keyValue', pairSeparator: ',' }, [
    ['"a,b" : 1', 'p: it has no pairs with "="'],
    ['a=1, b = x y ,c="1,2",, d=', '{"a":"1","b":"x y","c":"1,2","d":""}'],
  ])
  await assertParsed({ format: 'keyValue', pairSeparator: '; ', keySeparator: ': ' }, [
    ['a: 1; b: http://x:80; c: "y"', '{"a":"1","b":"http://x:80","c":"y"}'],
  ])
  await assertParsed({ format: 'keyValue', pairSeparator: '\t', keySeparator: ':' }, [
    ['a:b c\td:e', '{"a":"b c","d":"e"}'],
  ])
  await assertParsed({ format: 'keyValue', pairSeparator: '\n', keySeparator: ' ' }, [
    ['a b c\nd \n', '{"a":"b c","d":""}'],
  ])
})

test('parses a URL query like a form, also out of a URL', async () => {
  await assertParsed({ format: 'query' }, [
    ['a=1&b=x+y%2B%C3%A9&&a=2&c&d=&e=f=g', '{"a":["1","2"],"b":"x y+é","c":"","d":"","e":"f=g"}'],
    ['?%61%20b=1#x', '{"a b":"1"}'],
    ['https://host/path?x=a?b&__proto__=1#?y=2', '{"x":"a?b","__proto__":"1"}'],
    ['/search?q=%F0%9F%98%80', '{"q":"😀"}'],
    ['/search', '{}'],
    ['', '{}'],
    ['a=%', 'p: a percent escape in it is not UTF-8'],
    ['a=%zz', 'p: a percent escape in it is not UTF-8'],
    ['a=%ff', 'p: a percent escape in it is not UTF-8'],
    ['%ED%A0%80=1', 'p: a percent escape in it is not UTF-8'],
  ])
})

test('a record that would become too long is rejected as it came', async () => {
  const line = record('a=1 '.repeat(200_000))
  const { rejects } = await runStage(parse, { path: 'p', format: 'keyValue' }, [line])
  assert.equal(rejects.length, 0, 'repeated keys share one list')
  const flags = record(`x=1 ${Array.from({ length: 150_000 }, (_, n) => n.toString(36)).join(' ')}`)
  for (const to of [undefined, 'q']) {
    const result = await runStage(parse, { path: 'p', format: 'keyValue', ...(to && { to }) }, [flags])
    assert.deepEqual([result.rejects[0].code, result.rejects[0].text === flags], ['TOO_LONG', true])
  }
})

test('leaves rejected records alone, and accounts for all', async () => {
  const { lines, rejects } = await runStage(parse, { path: 'p' }, ['{"p":"1"}', '{"p":"2"}', '['], {
    before: (batch) => batch.reject(0, 'NO_OWNER', 'owner'),
  })
  assert.deepEqual(lines, ['{"p":2}'])
  assert.deepEqual(rejects.map(({ text }) => text).toSorted(), ['[', '{"p":"1"}'])
})

test('takes what JSON.parse takes, and nothing else', async () => {
  const text = fc.oneof(
    fc.json(),
    fc.string(),
    fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '"', ',', ':', '1', 'e', '-', '\\', ' ', '\n', 'u', '0') }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(text), async (texts) => {
      const { lines } = await runStage(parse, { path: 'p', to: 'v', onError: 'leave' }, texts.map(record))
      const expected = texts.map((one) => ({ p: one, ...valueOf(one) }))
      assert.deepEqual(
        lines.map((line): unknown => JSON.parse(line)),
        expected,
      )
    }),
    { numRuns: 300 },
  )
})

function valueOf(text: string): { v?: unknown } {
  try {
    return { v: JSON.parse(text) }
  } catch {
    return {}
  }
}

test('queries are those of URLSearchParams', async () => {
  const pairs = fc.array(fc.tuple(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' })), { minLength: 1 })
  await fc.assert(
    fc.asyncProperty(pairs, async (list) => {
      const query = new URLSearchParams(list)
      const expected: [string, string | string[]][] = [...new Set(query.keys())].map((key) => {
        const values = query.getAll(key)
        return [key, values.length === 1 ? values[0] : values]
      })
      const found: unknown = JSON.parse((await parsed(`?${query.toString()}`, { format: 'query' })) ?? '')
      assert.deepEqual(found, JSON.parse(JSON.stringify(Object.fromEntries(expected))))
    }),
  )
})

test('check finds the likely mistakes', async () => {
  const cases: readonly (readonly [object, readonly string[]])[] = [
    [{ path: 'm[*].b' }, []],
    [{ path: '**.b' }, ['**.b would parse texts at any depth']],
    [
      { path: 'm[*].b', to: 'x' },
      ['m[*].b may match several values; a value comes from a path of keys, such as user.email'],
    ],
    [{ path: 'a', to: 'a' }, ['a is parsed onto itself']],
    [{ path: 'a', to: 'a.b' }, ['a.b is inside a, which is a text']],
    [{ path: 'a.b', to: 'a' }, []],
    [{ path: 'a', to: 'b', merge: true }, ['merge puts the members into the record itself; it has no use for to']],
    [{ path: 'a.b', merge: true }, ['merge takes a text that is a member of the record itself, not a.b']],
    [{ path: 'a', pairSeparator: ',' }, ['pairSeparator has no effect with format: json']],
    [
      { path: 'a', format: 'keyValue', pairSeparator: '=' },
      ['pairSeparator and keySeparator are the same, so nobody knows where a value ends'],
    ],
    [
      { path: 'a', format: 'keyValue', keySeparator: '"' },
      ['keySeparator contains a quote or a backslash, which have a meaning in values'],
    ],
  ]
  for (const [config, messages] of cases) {
    assert.deepEqual(
      (await checkStage(parse, { ...config })).map(({ message }) => message),
      messages,
    )
  }
})
