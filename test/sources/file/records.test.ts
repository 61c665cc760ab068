import assert from 'node:assert/strict'
import { appendFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { SluiceError } from '../../../src/errors.ts'
import { compressions, linesOf, positionsOf, read, sampleEvents } from './read-file.ts'
import type { Reading, ReadingOptions } from './read-file.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const events = await sampleEvents()

/** About 2 MiB: several chunks. */
const lines = Array.from({ length: 2200 }, (_, i) =>
  JSON.stringify({ i, event: JSON.parse(events[i % events.length] ?? '') as unknown }),
)
const half = (from: number) => lines.slice(from, from + 1100)
const indented = JSON.stringify({ v: 1, data: { list: lines.map((line) => JSON.parse(line) as unknown) } }, null, 2)
const documents = new Map([
  ['a document', `{"v":1,"data":{"list":[${lines.join(',')}],"more":{"list":[]}}}`],
  ['a pretty-printed document', `${indented}\n`],
  [
    'documents one after the other',
    `{"data":{"list":[${half(0).join(',')}]}}{"data":{"list":[${half(1100).join(', ')}]}}`,
  ],
  ['a document per line', lines.map((line, i) => `{"n":${i},"data":{"list":[${line}]}}\n`).join('')],
])

/** Split as bytes, and the same parsed. */
const readers = new Map<string, string | string[]>([
  ['as bytes', 'data.list'],
  ['by tokens', ['data.list', 'data.list[*]']],
])

for (const [reader, records] of readers) {
  for (const [ending, compress] of compressions) {
    if (reader === 'by tokens' && ending !== '' && ending !== '.gz') continue
    for (const [form, text] of documents) {
      test(`reading ${form}${ending && ` as ${ending}`} ${reader} resumes with exactly the rest`, async (t) => {
        const folder = await temporaryFolder(t)
        await writeFile(join(folder, `a.json${ending}`), compress(Buffer.from(text)))
        await writeFile(join(folder, 'b.json'), '{"data":{"list":[{"b":1}]}}')
        const { chunks, error } = await read(folder, { records })
        assert.equal(error, undefined)
        assert.ok(chunks.length >= 4)
        assert.deepEqual(linesOf(chunks), [...lines, '{"b":1}'])
        for (const taken of [1, chunks.length >> 1, chunks.length - 1]) {
          const before = chunks.slice(0, taken)
          const rest = await read(folder, { records, positions: positionsOf(before) })
          assert.deepEqual([...linesOf(before), ...linesOf(rest.chunks)], [...lines, '{"b":1}'])
          assert.deepEqual(rest.notes, [])
        }
      })
    }
  }

  test(`a document that grows yields each record once ${reader}, and is left unfinished until its end`, async (t) => {
    const name = join(await temporaryFolder(t), 'x.json')
    const text = documents.get('a document') ?? ''
    let positions: ReadingOptions['positions'] = new Map()
    const found: string[] = []
    for (const share of [0.1, 0.5, 0.500001, 0.9, 1]) {
      await writeFile(name, text.slice(0, share * text.length))
      const { chunks, error, notes } = await read(name, { records, format: 'array', positions })
      assert.equal(error, undefined)
      if (share < 1) assert.match(notes.join(), /ends within a record/)
      found.push(...linesOf(chunks))
      positions = new Map([...positions, ...positionsOf(chunks)])
    }
    assert.deepEqual(found, lines)
    assert.deepEqual((await read(name, { records, positions })).chunks, [])
    await appendFile(name, '\n{"data":{"list":[{"new":1}]}}\n')
    assert.deepEqual(linesOf((await read(name, { records, positions })).chunks), ['{"new":1}'])
  })

  test(`a document that is cut short is an error with --final ${reader}, after its whole records`, async (t) => {
    const name = join(await temporaryFolder(t), 'x.json')
    await writeFile(name, '{"data":{"list":[{"a":1},{"a":2},{"a"')
    assertCorrupt(
      await read(name, { records, final: true }),
      ['{"a":1}', '{"a":2}'],
      /x\.json" was cut short: its JSON does not end$/,
    )
    await truncate(name, 20)
    assertCorrupt(await read(name, { records, final: true }), [], /was cut short/)
  })

  test(`a wrong path is an error ${reader} that suggests the right one`, async (t) => {
    const name = join(await temporaryFolder(t), 'x.json')
    const isParsed = typeof records !== 'string'
    for (const [text, path, message, hint] of [
      [
        '{"v":1,"Records":[{"a":1}]}',
        'Record',
        /x\.json" has nothing at "Record[^"]*" \(records\)$/,
        'did you mean "Records"?',
      ],
      ['{"v":1,"Records":[{"a":1}]}', 'events', /has nothing at/, 'there is an array at "Records"'],
      ['{"data":{"Events":[{"a":1}]}}', 'data.events', /has nothing at/, 'did you mean "Events"?'],
      [
        '{"data":{"pages":[{"items":[]}],"page":[]}}',
        'data.pages.items',
        /has nothing at/,
        'an array is at "pages": write pages[*] in the path',
      ],
      ['{"data":{},"more":[]}', 'data.items', /has nothing at/, 'there is an array at "more"'],
      ['{"data":{},"date":1}', 'data.items', /has nothing at/, 'did you mean "date"?'],
      ['{"id":1,"a@example.com":[]}', 'Records', /has nothing at/, undefined],
      ['{}', 'Records', /has nothing at/, undefined],
      ['[{"Records":[]}]', 'Records', /has nothing at/, 'the document is an array: begin the path with [*]'],
      [
        '{"Records":{"a":1}}',
        'Records',
        /has no array at "Records/,
        isParsed ? undefined : 'an object is there: to read its values as records, write Records.*',
      ],
      ['{"Records":"none"}', 'Records', /has no array at/, undefined],
      [
        '{"Records":[{"a":1}]}{"Record":[]}',
        'Records',
        /has nothing at .*, in the document at byte 21$/,
        'did you mean "Record"?',
      ],
    ] as const) {
      await writeFile(name, text)
      const { error, chunks } = await read(name, { records: isParsed ? [path, `${path}[*]`] : path })
      assert.ok(error instanceof SluiceError, text)
      assert.equal(error.code, 'INPUT_CORRUPT')
      assert.match(error.message, message)
      const isLine =
        !text.includes('}{') && error.hint === 'with `format: ndjson`, such a line is rejected and the others are read'
      assert.equal(isLine ? undefined : error.hint, hint, text)
      assert.deepEqual(linesOf(chunks), text.includes('}{') ? ['{"a":1}'] : [])
    }
  })

  test(`an empty or null list has no records ${reader}, and all lists of a duplicate key are read`, async (t) => {
    const name = join(await temporaryFolder(t), 'x.json')
    await writeFile(name, '{"data":{"list":[]}}\n{"data":{"list":null}}{"data":{"list":[{"a":1}],"list":[{"b":2}]}}')
    const { chunks, error } = await read(name, { records })
    assert.equal(error, undefined)
    assert.deepEqual(linesOf(chunks), ['{"a":1}', '{"b":2}'])
  })

  test(`a damaged document is an error ${reader}, after the records before the damage`, async (t) => {
    const name = join(await temporaryFolder(t), 'x.json')
    for (const text of [
      '{"data":{"list":[{"a":1} {"b":2}]}}',
      '{"data":{"list":[{"a":1},]}}',
      '{"data":{"list":[{"a":1}]]}',
      '{"data":{"list":[{"a":1}]}} x',
      '{"data":{"list":[{"a":1}]}}\n\n"text"\n{"data":{"list":[]}}',
      '{"data":{"list":[{"a":1}]},}',
      '{"data":{"list":[{"a":1}]} "b":1}',
    ]) {
      await writeFile(name, text)
      assertCorrupt(await read(name, { records, format: 'array', final: true }), ['{"a":1}'], /is (damaged|not JSON)/)
    }
  })

  test(`byte order marks and NUL bytes between documents are skipped ${reader}`, async (t) => {
    const name = join(await temporaryFolder(t), 'x.json')
    for (const format of ['auto', 'array', 'ndjson'] as const) {
      await writeFile(name, '\ufeff{"data":{"list":[{"a":1}]}}\n\0\0\ufeff{"data":{"list":[{"b":1}]}}\n\0\0\0')
      const { chunks, error, notes } = await read(name, { records, format })
      assert.equal(error, undefined)
      assert.deepEqual(linesOf(chunks), ['{"a":1}', '{"b":1}'])
      assert.match(notes.join(), /skipped NUL bytes and byte order marks/)
    }
  })

  test(`where each line is a document, a damaged line is rejected ${reader} and the others are read`, async (t) => {
    const name = join(await temporaryFolder(t), 'x.json')
    const text = [
      documentWith(0),
      '{"data":{"list":[{"n":1},{"n":',
      documentWith(2),
      '{"heartbeat":true}',
      '{"data":{"list":[{"n":3}],}}',
      'no JSON',
      '',
      `${documentWith(4)}  ${documentWith(5)}\r`,
      '{"data":{"list":"none"}}',
      '{"data":{"list":[{"n":6}\0',
      documentWith(7),
    ].join('\n')
    await writeFile(name, text)
    for (const format of ['auto', 'ndjson'] as const) {
      const { chunks, error } = await read(name, { records, format })
      assert.equal(error, undefined)
      assert.deepEqual(linesOf(chunks), [0, 1, 2, 3, 4, 5, 6, 7].map(good))
      const rejects = chunks.flatMap(({ skipped }) => skipped ?? [])
      assert.deepEqual(
        rejects.map(({ code }) => code),
        ['INVALID_JSON', 'NO_RECORDS', 'INVALID_JSON', 'INVALID_JSON', 'NO_RECORDS', 'INVALID_JSON'],
      )
      assert.deepEqual(rejects[1].length, '{"heartbeat":true}'.length)
      assert.equal(new Set(rejects.map(({ digest }) => digest)).size, 6)
      assert.match(rejects[1].detail ?? '', /^the document on this line has nothing at "data\.list/)
    }
  })

  test(`a first line without records is an error ${reader}, unless the format is configured`, async (t) => {
    const name = join(await temporaryFolder(t), 'x.ndjson')
    await writeFile(name, '{"heartbeat":1}\n{"data":{"list":[{"n":1}]}}\n')
    const failed = await read(name, { records })
    assertCorrupt(failed, [], /has nothing at/)
    assert.ok(failed.error instanceof SluiceError)
    assert.match(failed.error.hint ?? '', /`format: ndjson`/)
    const { chunks, error } = await read(name, { records, format: 'ndjson' })
    assert.equal(error, undefined)
    assert.deepEqual(linesOf(chunks), ['{"n":1}'])
  })
}

test('a file is read again when the path of its records has changed', async (t) => {
  const name = join(await temporaryFolder(t), 'x.json')
  await writeFile(name, '{"a":[{"n":1}],"b":[{"n":2}]}')
  const first = await read(name, { records: 'a' })
  assert.deepEqual(linesOf(first.chunks), ['{"n":1}'])
  const positions = positionsOf(first.chunks)
  assert.deepEqual((await read(name, { records: '["a"][*]', positions })).chunks, [])
  const second = await read(name, { records: 'b', positions })
  assert.deepEqual(linesOf(second.chunks), ['{"n":2}'])
  assert.match(second.notes.join(), /path of the records has changed/)
  assert.deepEqual(linesOf((await read(name, { positions })).chunks), ['{"a":[{"n":1}],"b":[{"n":2}]}'])
})

test('the records of one array keep their bytes', async (t) => {
  const name = join(await temporaryFolder(t), 'x.json')
  await writeFile(name, '{"Records":[{"e":"\\u00e9", "n": 1.0e5},{"é":12345678901234567890}]}')
  const { chunks } = await read(name, { records: 'Records' })
  assert.deepEqual(linesOf(chunks), ['{"e":"\\u00e9", "n": 1.0e5}', '{"é":12345678901234567890}'])
})

test('parsed records keep digits, the order of members and duplicate keys', async (t) => {
  const name = join(await temporaryFolder(t), 'x.json')
  const record = '{"z":1.0e5,"1":12345678901234567890,"a":-0.10,"a":"\\ud800","é":[true,false,null,{}]}'
  await writeFile(name, `{"pages":[{"items":[${record}, {"s":"\\u00e9\\/"}]},{"items":[]}]}`)
  const { chunks, error } = await read(name, { records: 'pages[*].items[*]' })
  assert.equal(error, undefined)
  assert.deepEqual(linesOf(chunks), [record, '{"s":"é/"}'])
})

test('keyAs adds the key that the path leaves open, and rejects a record that has the member', async (t) => {
  const name = join(await temporaryFolder(t), 'x.json')
  const text =
    '{"accounts":{"12":{"events":[{"n":1},{}]},"a\\"b":{"events":[{"account":0},{"in":{"account":1}}]},"x":{}}}'
  await writeFile(name, text)
  const { chunks, error } = await read(name, { records: 'accounts.*.events[*]', keyAs: 'account' })
  assert.equal(error, undefined)
  assert.deepEqual(linesOf(chunks), [
    '{"account":"12","n":1}',
    '{"account":"12"}',
    '{"account":"a\\"b","in":{"account":1}}',
  ])
  assert.deepEqual(
    chunks.flatMap(({ skipped }) => skipped ?? []).map(({ code, line }) => [code, line]),
    [['KEY_EXISTS', 3]],
  )
  await writeFile(name, '{"users":[{"n":1}],"groups":[{"n":2}],"other":[{}]}')
  const kinds = await read(name, { records: '{users,groups}', keyAs: 'kind' })
  assert.deepEqual(linesOf(kinds.chunks), ['{"kind":"users","n":1}', '{"kind":"groups","n":2}'])
  await writeFile(name, '{"10.0.0.1":{"n":1},"10.0.0.2":{"n":2}}')
  const hosts = await read(name, { records: '*', keyAs: 'host' })
  assert.deepEqual(linesOf(hosts.chunks), ['{"host":"10.0.0.1","n":1}', '{"host":"10.0.0.2","n":2}'])
})

test('several arrays of one document are read in its order', async (t) => {
  const name = join(await temporaryFolder(t), 'x.json')
  await writeFile(name, '{"audits":[{"n":1}],"x":0,"meta":{"events":[{"n":2}]},"audits2":[{"n":3}]}')
  const { chunks } = await read(name, { records: ['meta.events', 'audits'] })
  assert.deepEqual(linesOf(chunks), ['{"n":1}', '{"n":2}'])
})

test('hostile records of a parsed document are rejected one by one', async (t) => {
  const name = join(await temporaryFolder(t), 'x.json')
  const maxLine = 8192
  const hostile = [
    `{"deep":${'['.repeat(300_000)}${']'.repeat(300_000)},"n":1}`,
    `{"long":"${'x'.repeat(1_000_000)}"}`,
    `{"escaped":"${'\\u00e9'.repeat(200_000)}"}`,
    `{"slashes":"${'\\\\'.repeat(200_000)}\\""}`,
    `{"${'é'.repeat(100_000)}":1}`,
    `{"digits":${'9'.repeat(1_000_000)}}`,
    `{"many":[${'1,'.repeat(100_000)}1]}`,
    '{"bytes":"\xff"}',
    '{"\xc3":"(\xf0\x9f"}',
  ]
  const latin1 = hostile.map((text, n) =>
    Buffer.from(`${n > 0 ? ',' : ''}${good(n)},${text}`, n >= 7 ? 'latin1' : 'utf8'),
  )
  await writeFile(name, Buffer.concat([Buffer.from('{"a":{"x":['), ...latin1, Buffer.from(`,${good(9)}]}}`)]))
  const { chunks, error } = await read(name, { records: 'a.*[*]', maxLine })
  assert.equal(error, undefined)
  assert.deepEqual(
    linesOf(chunks),
    Array.from({ length: 10 }, (_, n) => good(n)),
  )
  assert.deepEqual(
    chunks.flatMap(({ skipped }) => skipped ?? []).map(({ code = 'TOO_LONG' }) => code),
    [
      'TOO_DEEP',
      'TOO_LONG',
      'TOO_LONG',
      'TOO_LONG',
      'TOO_LONG',
      'TOO_LONG',
      'TOO_LONG',
      'INVALID_UTF8',
      'INVALID_UTF8',
    ],
  )
})

test('hostile text around the records is skipped or an error, with both readers', async (t) => {
  const name = join(await temporaryFolder(t), 'x.json')
  for (const records of ['a', ['a', 'a[*]']]) {
    const check = async (around: string, message?: RegExp) => {
      await writeFile(name, `{${around}"a":[{"n":1}]}`)
      const { chunks, error } = await read(name, { records, maxLine: 8192, format: 'array', final: true })
      if (message === undefined) assert.deepEqual([error, linesOf(chunks)], [undefined, ['{"n":1}']])
      else assert.match(error instanceof SluiceError ? error.message : '', message)
    }
    await check(`"x":"${'x'.repeat(1_000_000)}",`)
    await check(`"x":[${'[],'.repeat(10_000)}1],`)
    await check(`"${'k'.repeat(1_000_000)}":1,`, /has a key (or a number )?of more than 4096 bytes around the records/)
    await check(`"x":${'['.repeat(5000)}`, /nested deeper than 1000/)
  }
})

function documentWith(n: number): string {
  return `{"data":{"list":[{"n":${n}}]}}`
}

function good(n: number): string {
  return `{"n":${n}}`
}

function assertCorrupt({ chunks, error }: Reading, found: readonly string[], message: RegExp): void {
  assert.ok(error instanceof SluiceError, 'an error is expected')
  assert.equal(error.code, 'INPUT_CORRUPT')
  assert.match(error.message, message)
  assert.deepEqual(linesOf(chunks), found)
}

test('the hint for a value of another type names the path to write, and that path works', async (t) => {
  const name = join(await temporaryFolder(t), 'x.json')
  for (const [text, records, path] of [
    ['{"data":{"users":{"x":{"a":1}}}}', 'data.users', 'data.users.*'],
    ['{"data":{"users":{"x":{"a":1}}}}', 'data.users[*]', 'data.users.*'],
    ['{"odd.key":{"x":{"a":1}}}', '["odd.key"]', '["odd.key"].*'],
    ['{"users":[{"a":1}]}', 'users.*', 'users'],
    ['[{"a":1}]', '*', '$'],
  ] as const) {
    await writeFile(name, text)
    const { error } = await read(name, { records })
    assert.ok(error instanceof SluiceError && error.code === 'INPUT_CORRUPT', text)
    assert.ok(error.hint?.endsWith(`write ${path}`), error.hint)
    assert.deepEqual(linesOf((await read(name, { records: path })).chunks), ['{"a":1}'])
  }
})
