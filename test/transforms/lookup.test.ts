import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import lookup from '../../src/transforms/lookup.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { assertStage, checkStage, runStage } from './stage.ts'
import type { Cases } from './stage.ts'

/** Fields as `check` converts them. */
const DEFAULTS = { maxSize: 1 << 20, reload: 30_000 }

async function tableOf(t: TestContext, name: string, content: string | Buffer): Promise<string> {
  const path = join(await temporaryFolder(t), name)
  await writeFile(path, content)
  return path
}

interface Table {
  readonly name?: string
  readonly content: string | Buffer
  readonly config: { readonly [key: string]: unknown }
}

async function assertLookup(t: TestContext, { name = 't.csv', content, config }: Table, cases: Cases): Promise<void> {
  await assertStage(lookup, { ...DEFAULTS, file: await tableOf(t, name, content), ...config }, cases)
}

async function messagesOf(t: TestContext, { name = 't.csv', content, config }: Table): Promise<string[]> {
  const file = await tableOf(t, name, content)
  const findings = await checkStage(lookup, { ...DEFAULTS, file, ...config })
  return findings.flatMap(({ at, message, severity, hint }) =>
    severity === 'note' ? [] : [`${at.join('.')}: ${message}${hint === undefined ? '' : ` (${hint})`}`],
  )
}

const OWNER = { key: 'account', by: 'id', set: [{ path: 'owner', from: 'name' }] }

test('joins with a CSV file: texts, numbers as they are spelled, booleans; empty cells are no values', async (t) => {
  const content = '\ufeffid,name,tier\r\n5,"Ann ""A"", team",gold\r\ntrue,é,\r\n5.0,other,x\r\n"li\nne",two,x\r\n'
  const set = [
    { path: 'owner', from: 'name' },
    { path: 'meta.tier', from: 'tier', default: { unknown: true } },
  ]
  await assertLookup(t, { content, config: { ...OWNER, set } }, [
    ['{"account":5, "n" : 1.10}', '{"account":5, "n" : 1.10,"owner":"Ann \\"A\\", team","meta":{"tier":"gold"}}'],
    ['{"account":"5","owner":1}', '{"account":"5","owner":"Ann \\"A\\", team","meta":{"tier":"gold"}}'],
    ['{"account":"\\u0035"}', '{"account":"\\u0035","owner":"Ann \\"A\\", team","meta":{"tier":"gold"}}'],
    ['{"account":5.0}', '{"account":5.0,"owner":"other","meta":{"tier":"x"}}'],
    ['{"account":true}', '{"account":true,"owner":"é","meta":{"tier":{"unknown":true}}}'],
    ['{"account":"li\\nne"}', '{"account":"li\\nne","owner":"two","meta":{"tier":"x"}}'],
    ['{"account":6,"owner":1}', '{"account":6,"owner":1,"meta":{"tier":{"unknown":true}}}'],
    ['{"account":null}', '{"account":null,"meta":{"tier":{"unknown":true}}}'],
    ['{"account":[5]}', '{"account":[5],"meta":{"tier":{"unknown":true}}}'],
    ['{}', '{"meta":{"tier":{"unknown":true}}}'],
  ])
})

test('values of an NDJSON file keep their bytes; null is no value', async (t) => {
  const content = '{"id":"a","v":{"n": 1.10, "s":"\\u00e9"}}\n\n{"id":"b","v":null}\n{"id":7,"v":[1e400]}\n'
  const set = [{ path: 'v', from: 'v', default: 'none' }]
  await assertLookup(t, { name: 't.ndjson', content, config: { ...OWNER, set } }, [
    ['{"account":"a"}', '{"account":"a","v":{"n": 1.10, "s":"\\u00e9"}}'],
    ['{"account":"b"}', '{"account":"b","v":"none"}'],
    ['{"account":"7"}', '{"account":"7","v":[1e400]}'],
  ])
})

test('ignoreCase compares texts without their case, and ifAbsent keeps what a record has', async (t) => {
  const content = 'id,name\nAnn@Example.COM,ann\nÄRZTE,band\n'
  const set = [{ path: 'owner', from: 'name', ifAbsent: true }]
  await assertLookup(t, { content, config: { ...OWNER, set, ignoreCase: true } }, [
    ['{"account":"ann@example.com"}', '{"account":"ann@example.com","owner":"ann"}'],
    ['{"account":"ärzte"}', '{"account":"ärzte","owner":"band"}'],
    ['{"account":"ANN@EXAMPLE.com","owner":null}', '{"account":"ANN@EXAMPLE.com","owner":null}'],
  ])
})

test('by CIDR the smallest range counts, of IPv4 and IPv6, nested in any order', async (t) => {
  const content = [
    'net,name',
    '0.0.0.0/0,world',
    '10.1.2.3,host',
    '10.0.0.0/8,ten',
    '10.1.0.0/16,ten-one',
    '10.255.255.0/24,last',
    '255.255.255.255/32,end',
    '2001:db8::/32,doc',
    '2001:db8:0:1::/64,doc-1',
    '::ffff:192.168.0.0/112,mapped',
  ].join('\n')
  const found: readonly (readonly [string, string | undefined])[] = [
    ['9.255.255.255', 'world'],
    ['10.0.0.0', 'ten'],
    ['10.1.2.2', 'ten-one'],
    ['10.1.2.3', 'host'],
    ['10.1.2.4', 'ten-one'],
    ['10.2.0.0', 'ten'],
    ['10.255.255.255', 'last'],
    ['11.0.0.0', 'world'],
    ['255.255.255.254', 'world'],
    ['255.255.255.255', 'end'],
    ['192.168.7.1', 'mapped'],
    ['::ffff:10.1.2.3', 'host'],
    ['10.1.2.3:8080', 'host'],
    ['[2001:db8::1]:443', 'doc'],
    ['2001:DB8:0:1::9%eth0', 'doc-1'],
    ['2001:db8:0:2::', 'doc'],
    ['2001:db9::', undefined],
    ['::1', undefined],
  ]
  const config = { key: 'ip', by: 'net', match: 'cidr', set: [{ path: 'site', from: 'name' }] }
  await assertLookup(
    t,
    { content, config },
    found.map(([ip, site]) => [JSON.stringify({ ip }), JSON.stringify(site === undefined ? { ip } : { ip, site })]),
  )
})

test('missing: reject rejects records that are not found, as they came, and says why', async (t) => {
  const file = await tableOf(t, 't.csv', 'id,name\n10.0.0.0/8,ten\n')
  const lines = ['{"account":"11.0.0.1"}', '{"account":"here, there"}', '{"x":1}', '{"account":"10.0.0.1"}']
  const config = { ...DEFAULTS, ...OWNER, file, match: 'cidr', missing: 'reject' }
  const outcome = await runStage(lookup, config, lines)
  assert.deepEqual(outcome.lines, ['{"account":"10.0.0.1","owner":"ten"}'])
  assert.deepEqual(
    outcome.rejects.map(({ code, detail, text }) => [code, detail, text]),
    [
      ['LOOKUP_MISS', 'account is not in the table', lines[0]],
      ['LOOKUP_MISS', 'account is not an IP address', lines[1]],
      ['LOOKUP_MISS', 'account is missing', lines[2]],
    ],
  )
})

test('a blocked path and a record that grows too long are rejected as they came', async (t) => {
  const file = await tableOf(t, 't.csv', `id,name\na,x\nb,${'y'.repeat(600_000)}\n`)
  const set = [{ path: 'o.p', from: 'name' }]
  const long = `{"account":"b","z":"${'z'.repeat(600_000)}"}`
  const outcome = await runStage(lookup, { ...DEFAULTS, ...OWNER, file, set }, ['{"account":"a","o":1}', long])
  assert.deepEqual(outcome.lines, [])
  assert.deepEqual(
    outcome.rejects.map(({ code, text }) => [code, text]),
    [
      ['PATH_BLOCKED', '{"account":"a","o":1}'],
      ['TOO_LONG', long],
    ],
  )
})

test('sees keys as earlier stages have left them', async (t) => {
  const file = await tableOf(t, 't.csv', 'id,name\nb,found\na,wrong\n')
  const { lines } = await runStage(
    lookup,
    { ...DEFAULTS, ...OWNER, file },
    ['{"account":"a"}', '{"account":1,"account":"b"}'],
    {
      before(batch) {
        const [hit] = batch.hits(0, batch.paths.add('account'))
        batch.edit(hit, batch.token(Buffer.from('"b"')))
      },
    },
  )
  assert.deepEqual(lines, ['{"account":"b","owner":"found"}', '{"account":1,"account":"b","owner":"found"}'])
})

test('reads tabs, other delimiters, and files without a header row', async (t) => {
  const expected: Cases = [['{"account":"a"}', '{"account":"a","owner":"x,y"}']]
  await assertLookup(t, { name: 't.tsv', content: 'id\tname\na\tx,y\n', config: OWNER }, expected)
  await assertLookup(t, { content: 'id;name\na;x,y\n', config: { ...OWNER, delimiter: ';' } }, expected)
  await assertLookup(t, { content: 'a,"x,y"\n', config: { ...OWNER, columns: ['id', 'name'] } }, expected)
  await assertLookup(t, { name: 'table', content: '{"id":"a","name":"x,y"}\n', config: OWNER }, expected)
})

test('check names the place of each mistake in a table, and the way out', async (t) => {
  const csv = (content: string | Buffer, more: object = {}, name = 't.csv') =>
    messagesOf(t, { name, content, config: { ...OWNER, ...more } })
  const cidr = (net: string) => csv(`id,name\n10.0.0.0/8,a\n${net},b\n`, { match: 'cidr' })
  const hint = '(leave one row for each key; to join by several columns, make one column of them)'
  const ranges = '(correct the line, or name the column that has the ranges)'
  assert.deepEqual(await csv('id,name\na,1\n'), [])
  assert.deepEqual(await csv('id,name\na,1\nb,2\n\na,3\n'), [
    `by: the table t.csv has the same key in line 2 and in line 5 ${hint}`,
  ])
  assert.deepEqual(await csv('Id,Names\na,1\n'), [
    'by: the table t.csv has no column "id" (did you mean "Id"? columns in its first row: Id, Names)',
  ])
  assert.deepEqual(await csv('id;name\na;1\n'), [
    'by: the table t.csv has no column "id" (its header row has one column with ; in it: write delimiter: ";")',
  ])
  assert.deepEqual(await csv('id,name\na,1,2\n'), [
    'file: the table t.csv has 3 cells in line 2, and 2 columns (a cell with a delimiter, a quote or a line break in it is quoted: "a, b")',
  ])
  assert.deepEqual(await csv('id,name\na,"1\nb,2\n'), [
    'file: the table t.csv has a quote that is not closed in line 3 (inside a quoted cell, a quote is written twice: "a ""b"" c")',
  ])
  assert.deepEqual(await csv('id,name\n,1\n,2\na,3\n'), [
    'by: 2 rows of the table without a key are not used, the first in line 2',
  ])
  assert.deepEqual(await csv(''), ['file: the table t.csv is empty'])
  assert.deepEqual(await csv('id,name\n'), [
    'file: the table t.csv has no rows with a key (a table without rows finds nothing)',
  ])
  assert.deepEqual(await csv(Buffer.from('id,name\na,\xe9\n', 'latin1')), [
    'file: the table t.csv is not in UTF-8 (save it as UTF-8, for example with iconv)',
  ])
  assert.deepEqual(await csv(Buffer.from('\ufeffid,name\na,1\n', 'utf16le')), [
    'file: the table t.csv is in UTF-16 (save it as UTF-8)',
  ])
  assert.deepEqual(await csv(Buffer.from([0x1f, 0x8b, 8, 0, 0])), [
    'file: the table t.csv is compressed (decompress it; the table is read as it is)',
  ])
  assert.deepEqual(await csv('id,name\na,1\n', { maxSize: 10 }), [
    'file: the table t.csv has 12B, and maxSize is 10B (set a larger maxSize: the table needs about as much memory as its file)',
  ])
  assert.deepEqual(await csv('id,name\na,1\n', { by: undefined }), [
    'file: the table t.csv needs `by`: the column with the key (add by: the column that key is compared with)',
  ])
  assert.deepEqual(await cidr('10.0.0.0/8'), [`by: the table t.csv has the same key in line 2 and in line 3 ${hint}`])
  assert.deepEqual(await cidr('10.0.0.1/8'), [
    `by: the table t.csv cannot be matched by CIDR: "10.0.0.1/8" in line 3 has bits after its /8; the range is 10.0.0.0/8 ${ranges}`,
  ])
  assert.deepEqual(await cidr('2001:db8::1/32'), [
    `by: the table t.csv cannot be matched by CIDR: "2001:db8::1/32" in line 3 has bits after its /32; the range is 2001:db8::/32 ${ranges}`,
  ])
  assert.deepEqual(await cidr('10.0.0.0/33'), [
    `by: the table t.csv cannot be matched by CIDR: "10.0.0.0/33" in line 3 has a length that is not possible: /33 ${ranges}`,
  ])
  assert.deepEqual(await cidr('ann@example.com'), [
    `by: the table t.csv cannot be matched by CIDR: the range in line 3 is not an address or a range such as 10.0.0.0/8 ${ranges}`,
  ])
  const ndjson = (content: string, more: object = {}) => csv(content, more, 't.ndjson')
  assert.deepEqual(await ndjson('[{"id":1}]'), [
    'file: the table t.ndjson has a line that is not a record: line 1 (NOT_AN_OBJECT) (each line has one JSON object; of an array, `jq -c ".[]"` makes such lines)',
  ])
  assert.deepEqual(await ndjson('{"ID":1,"name":2}\n'), [
    'by: the table t.ndjson has no line with id (did you mean "ID"? members: ID, name)',
  ])
  assert.deepEqual(await ndjson('{"id":1,"nome":2}\n'), [
    'set.0.from: nothing in the table has name (did you mean "nome"? members: id, nome)',
  ])
  assert.deepEqual(await ndjson('{"id":1,"name":2}\n', { delimiter: ';' }), [
    'delimiter: delimiter has no effect: the table is NDJSON (leave it out)',
  ])
})

test('check finds the mistakes in the members', async (t) => {
  const set = (...members: readonly object[]) =>
    messagesOf(t, { content: 'id,name\na,1\n', config: { ...OWNER, set: members } })
  assert.deepEqual(await set({ path: 'x', from: 'name' }, { path: '["x"]', from: 'id' }), [
    'set.1.path: ["x"] is set twice (leave out one of the two)',
  ])
  assert.deepEqual(await set({ path: 'x', from: 'name', default: '{record.a}' }), [
    'set.0.default: the default of x is a constant: {record.…} in it stays as it is',
  ])
  const nested = { ...OWNER, key: 'account.id', set: [{ path: 'account', from: 'name' }] }
  assert.deepEqual(await messagesOf(t, { content: 'id,name\na,1\n', config: nested }), [
    'set.0.path: account replaces the member that has the key account.id',
  ])
})

test('a table with 100,000 rows is found by all of its keys', async (t) => {
  const count = 100_000
  const rows = Array.from({ length: count }, (_, at) => `u${at},n${at % 7}`)
  const file = await tableOf(t, 't.csv', `id,name\n${rows.join('\n')}\n`)
  const records = Array.from({ length: 1000 }, (_, at) => `{"account":"u${(at * 7919) % (count + 300)}"}`)
  const { lines } = await runStage(lookup, { ...DEFAULTS, maxSize: 1 << 26, ...OWNER, file }, records)
  for (const [at, line] of lines.entries()) {
    const id = (at * 7919) % (count + 300)
    assert.equal(line, id < count ? `{"account":"u${id}","owner":"n${id % 7}"}` : records[at])
  }
})
