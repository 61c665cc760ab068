import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { Paths } from '../../../src/record/paths/path.ts'
import redact from '../../../src/transforms/redact.ts'
import { scaled } from '../../support/scale.ts'
import { assertStage, openRecords, runStage } from '../stage.ts'
import type { Cases } from '../stage.ts'

const KEY = 'k'.repeat(32)
/** In parts, so that scanners of secrets ignore this file. */
const JWT = ['eyJh', 'bGciOiJIUzI1NiJ9'].join('')
const ID = ['AKIA', 'IOSFODNN7EXAMPLE'].join('')
const ALL = ['email', 'ipv4', 'ipv6', 'mac', 'card', 'iban', 'jwt', 'cloudKey', 'privateKey']

test('replaces the found part of a text and keeps the rest, everywhere in a record', async () => {
  await assertDetected({ detect: ['email', 'ipv4'], action: 'mask' }, [
    ['{"m":"login of ann@example.com from 203.0.113.7"}', '{"m":"login of [redacted] from [redacted]"}'],
    ['{ "a" : [ {"b":["203.0.113.7"] , "n":1} ] }', '{ "a" : [ {"b":["[redacted]"] , "n":1} ] }'],
    ['{"m":"a@b.co"}', '{"m":"[redacted]"}'],
    ['{"m":"x \\"a@b.co\\"\\n\\u00e9"}', '{"m":"x \\"[redacted]\\"\\né"}'],
    ['{"m":"ann\\u0040example.com"}', '{"m":"[redacted]"}'],
    ['{"m":"a@b.co","m":"b@b.co"}', '{"m":"[redacted]","m":"[redacted]"}'],
    ['{"m":"\\ud800 a@b.co"}', '{"m":"\\ud800 [redacted]"}'],
  ])
})

test('leaves names of members, other values and the bytes of other records alone', async () => {
  const same = [
    '{"ann@example.com":"x","203.0.113.7":[1.50,true,null]}',
    '{ "m" : "\\u0061 at example.com", "n" : 1e400 }',
    '{"version":"1.2.3.4","agentVersion":"10.0.0.1","os_version":"10.0.0.2","build":"1.0.0.9"}',
  ]
  await assertDetected(
    { detect: ALL, action: 'mask' },
    same.map((line) => [line, line]),
  )
})

test('with a path, searches the values at the path and inside them only', async () => {
  await assertDetected({ path: 'a', detect: ['email'], action: 'mask', with: 'M' }, [
    ['{"a":"x a@b.co","b":"a@b.co"}', '{"a":"x M","b":"a@b.co"}'],
    ['{"a":{"c":["a@b.co",{"d":"a@b.co"}]},"b":["a@b.co"]}', '{"a":{"c":["M",{"d":"M"}]},"b":["a@b.co"]}'],
  ])
  await assertDetected({ path: '**.text', detect: ['card'], action: 'mask', with: 'M' }, [
    ['{"text":4111111111111111,"b":4111111111111111}', '{"text":"M","b":4111111111111111}'],
  ])
  await assertDetected({ path: '**', detect: ['email'], action: 'mask', with: 'M' }, [
    ['{"a":{"b":"a@b.co"}}', '{"a":{"b":"M"}}'],
  ])
})

test('with a condition, searches only where it holds', async () => {
  await assertDetected({ detect: ['email'], when: { kind: 'mail' }, action: 'mask', with: 'M' }, [
    ['{"a":"a@b.co","kind":"mail"}', '{"a":"M","kind":"mail"}'],
    ['{"a":"a@b.co","kind":"other"}', '{"a":"a@b.co","kind":"other"}'],
  ])
  await assertDetected(
    { path: 'changes[*].to', detect: ['email'], when: { field: 'mail' }, action: 'mask', with: 'M' },
    [
      [
        '{"changes":[{"field":"mail","to":"a@b.co"},{"field":"x","to":"a@b.co"}]}',
        '{"changes":[{"field":"mail","to":"M"},{"field":"x","to":"a@b.co"}]}',
      ],
    ],
  )
})

test('finds card numbers in JSON numbers', async () => {
  await assertDetected({ detect: ['card'], action: 'mask' }, [
    ['{"n":4111111111111111}', '{"n":"[redacted]"}'],
    ['{"n":[4111111111111111,4111111111111112]}', '{"n":["[redacted]",4111111111111112]}'],
    ['{"n":4111111111111111.5,"m":-4111111111111111}', '{"n":4111111111111111.5,"m":-4111111111111111}'],
    ['{"n":1772649686123456,"m":4.111111111111111e15}', '{"n":1772649686123456,"m":4.111111111111111e15}'],
  ])
})

test('searches JSON inside strings like a record, and leaves it valid', async () => {
  const cases: Cases = [0, 1, 2, 3, 4].map((depth) => [nested('a a@b.co', depth), nested('a "M"', depth)])
  await assertDetected({ detect: ['email'], action: 'mask', with: '"M"' }, cases)
  await assertDetected({ detect: ['email'], action: 'mask', with: 'M' }, [[nested('a@b.co', 7), nested('M', 7)]])
  await assertDetected({ detect: ['card', 'email'], action: 'mask', with: '"' }, [
    [
      JSON.stringify({ v: '{"a@b.co":4111111111111111, "b":"c\\u0040d.example"}' }),
      JSON.stringify({ v: '{"a@b.co":"\\"", "b":"\\""}' }),
    ],
    [JSON.stringify({ v: '["a@b.co",1]' }), JSON.stringify({ v: '["\\"",1]' })],
    [JSON.stringify({ v: '{not json a@b.co' }), JSON.stringify({ v: '{not json "' })],
  ])
})

test('drop removes the part, or the member that is nothing else', async () => {
  await assertDetected({ detect: ['email', 'card'], action: 'drop' }, [
    ['{"a":"a@b.co","b":1}', '{"b":1}'],
    ['{"a":"to a@b.co.","b":["a@b.co","c"]}', '{"a":"to .","b":["c"]}'],
    ['{"a":4111111111111111,"b":1}', '{"b":1}'],
  ])
})

test('hmac gives the same value the same pseudonym in every text and spelling', async () => {
  const pseudonym = (text: string) => `hmac:${createHmac('sha256', KEY).update(text).digest('hex').slice(0, 32)}`
  const texts: [string, string, string][] = [
    ['email', 'ann@example.com', 'of ⟦ANN@Example.com⟧, ⟦ann%40example.com⟧ and ⟦ann@example.com⟧'],
    ['email', 'ann@xn--mnchen-3ya.example', '⟦ann@münchen.example⟧ ⟦ann@xn--mnchen-3ya.example⟧'],
    ['ipv6', '2001:db8::1', '[⟦2001:DB8:0:0::1⟧]:443 ⟦2001:0db8::0001%eth0⟧'],
    ['ipv6', '203.0.113.7', '⟦::ffff:203.0.113.7⟧ ⟦::FFFF:cb00:7107⟧'],
    ['ipv4', '203.0.113.7', 'http://⟦203.0.113.7⟧:80/'],
    ['mac', '00:1b:63:84:45:e6', '⟦00-1B-63-84-45-E6⟧ ⟦001b.6384.45e6⟧ ⟦00:1b:63:84:45:e6⟧'],
    ['card', '4111111111111111', '⟦4111 1111 1111 1111⟧, ⟦4111-1111-1111-1111⟧, ⟦4111111111111111⟧'],
    ['iban', 'DE89370400440532013000', '⟦DE89 3704 0044 0532 0130 00⟧ ⟦DE89370400440532013000⟧'],
  ]
  for (const [name, normal, text] of texts) {
    await assertDetected({ detect: [name], action: 'hmac', key: KEY }, [
      [
        JSON.stringify({ v: text.replaceAll(/[⟦⟧]/g, '') }),
        JSON.stringify({ v: text.replaceAll(/⟦.*?⟧/g, pseudonym(normal)) }),
      ],
    ])
  }
  // A rule for whole values gives an address in its usual spelling the same pseudonym.
  await assertStage(redact, { preset: 'none', rules: [{ path: 'v', action: 'hmac', key: KEY }] }, [
    ['{"v":"ann@example.com"}', `{"v":"${pseudonym('ann@example.com')}"}`],
  ])
})

test('partial and generalise act on the found parts', async () => {
  await assertDetected({ detect: ['email', 'card'], action: 'partial', keepFirst: 1, keepDomain: true }, [
    ['{"m":"of annie@example.com, 4111 1111 1111 1111"}', '{"m":"of a***@example.com, 4***"}'],
  ])
  await assertDetected({ detect: ['ipv4', 'ipv6', 'mac'], action: 'generalise' }, [
    [
      '{"m":"203.0.113.7:443 [2001:db8:1:2::7]:80 ::ffff:203.0.113.7 fe80::1%eth0 00-1B-63-84-45-E6"}',
      '{"m":"203.0.113.0:443 [2001:db8:1::]:80 ::ffff:203.0.113.0 fe80:: 00-1B-63-00-00-00"}',
    ],
    ['{"m":"203.0.113.0"}', '{"m":"203.0.113.0"}'],
  ])
})

test('rules act in order: a later one sees the replacement of an earlier one', async () => {
  const rules = [
    { path: 'ip', action: 'hmac', key: KEY },
    { detect: ['ipv4'], action: 'generalise' },
    { detect: ['email'], action: 'mask', with: 'm@example.invalid' },
    { detect: ['email'], action: 'mask', with: 'second' },
    { path: 'm', action: 'truncate', length: 20 },
  ]
  const { lines } = await runStage(redact, { preset: 'none', rules }, [
    { ip: '203.0.113.7', m: 'a@b.co at 203.0.113.7 and more' },
  ])
  const record: { ip: string; m: string } = JSON.parse(lines[0])
  assert.match(record.ip, /^hmac:/)
  assert.equal(record.m, 'second at 203.0.113.')
})

test('of values that overlap, the one of the earlier detector counts', async () => {
  await assertDetected({ detect: ALL, action: 'mask', with: 'M' }, [
    ['{"m":"::ffff:203.0.113.7 and user@[203.0.113.7]"}', '{"m":"M and user@[M]"}'],
    ['{"m":"DE89 3704 0044 0532 0130 00"}', '{"m":"M"}'],
    ['{"m":"00:11:22:33:44:55:66:77"}', '{"m":"M"}'],
    [`{"m":"${JWT}.eyJzdWIiOiJhbm4ifQ.c2ln@b.co"}`, '{"m":"M@b.co"}'],
  ])
})

test('the shortest values are found everywhere', async () => {
  await assertDetected({ detect: ALL, action: 'mask', with: 'M' }, [
    ['{"a":"::1","b":"1::","c":"fe::1","d":"::"}', '{"a":"M","b":"M","c":"M","d":"::"}'],
    ['{"a":"a@b.co","b":"1.2.3.4"}', '{"a":"M","b":"M"}'],
  ])
})

test('the preset comes first, and hides what detectors would find', async () => {
  await assertStage(redact, { rules: [{ detect: ['email'], action: 'mask', with: 'M' }] }, [
    ['{"password":"a@b.co","m":"token=abcdefgh a@b.co"}', '{"password":"[redacted]","m":"token=[redacted] M"}'],
  ])
})

test('two stages with different detectors find their own values only', async () => {
  const paths = new Paths()
  const create = (name: 'email' | 'ipv4') =>
    redact.create(
      { preset: 'none', rules: [{ detect: [name], action: 'mask', with: name }] },
      { pipeline: 'p', stage: 'redact', folder: '/', paths, path: (text) => paths.add(text) },
    )
  const stages = [await create('email'), await create('ipv4')]
  const [batch] = openRecords(['{"m":"a@b.co 203.0.113.7"}'], paths)
  for (const stage of stages) {
    assert.ok(typeof stage === 'object' && 'batch' in stage)
    await stage.batch(batch)
  }
  assert.equal(batch.line(0).toString(), '{"m":"email ipv4"}')
})

test('remembers texts without mixing them up', async () => {
  const values = Array.from({ length: 6000 }, (_, at) => `10.${at >> 8}.${at & 255}.${at % 200}`)
  const records = [...values, ...values.toReversed()].map((v) => `{"v":"${v}","w":"${v.replaceAll('.', ' ')}"}`)
  const { lines } = await runStage(
    redact,
    { preset: 'none', rules: [{ detect: ['ipv4'], action: 'generalise' }] },
    records,
  )
  for (const [at, line] of lines.entries()) assert.equal(line, records[at].replace(/\.\d+"/, '.0"'))
})

/** Bits of which many texts are values or nearly so. */
const BITS = [
  '@ . : :: - / %40 a ann b.co example.com é 用 \u{1f600} _ " \\ version Chrome/ { [1,',
  '203.0.113.7 10.0.0.1 1.2.3 256 fe80::1 2001:db8:: ffff 00:1b:63:84:45:e6 001b.6384.45e6',
  `4111111111111111 4111 DE89370400440532013000 ${ID} ${JWT}.eyJhIjoxfQ.c2ln`,
].flatMap((row) => row.split(' '))
const bit = fc.oneof(
  fc.constantFrom(...BITS, ' ', '\n', '4111 1111 1111 1111', 'DE89 3704 0044 0532 0130 00'),
  fc.stringMatching(/^[0-9a-f.:-]{1,6}$/),
)
const someText = fc.array(bit, { maxLength: 8 }).map((bits) => bits.join(''))

test('finds everywhere what it finds at a path: the scanner skips no text with a value', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(someText, { minLength: 20, maxLength: 20 }),
      fc.uniqueArray(fc.constantFrom(...ALL), { minLength: 1 }),
      async (texts, detect) => {
        const lines = texts.map((one, at) => `{"v":${at % 2 === 0 ? JSON.stringify(one) : escapeAll(one)}}`)
        const [everywhere, atPath] = await Promise.all(
          [{}, { path: 'v' }].map((where) =>
            runStage(redact, { preset: 'none', rules: [{ ...where, detect, action: 'mask' }] }, lines),
          ),
        )
        const needsLength = detect.some((name) => ['jwt', 'cloudKey', 'privateKey'].includes(name))
        for (const [at, line] of everywhere.lines.entries()) {
          JSON.parse(line)
          // Short strings are not searched for keys.
          if (needsLength && texts[at].length < 12) continue
          assert.equal(line, atPath.lines[at])
        }
      },
    ),
    { numRuns: scaled(150) },
  )
})

/** Plain expressions for the values, without the rules against versions. */
const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
const ORACLES: { readonly [name: string]: RegExp } = {
  ipv4: new RegExp(`(?<![A-Za-z0-9_]|\\d\\.)${OCTET}(?:\\.${OCTET}){3}(?![A-Za-z0-9_]|\\.\\d|-[A-Za-z])`, 'g'),
  mac: /(?<![A-Za-z0-9_]|(?<![A-Za-z0-9_])[0-9a-f]{2}[:-])[0-9a-f]{2}(?::[0-9a-f]{2}){5}(?:(?::[0-9a-f]{2}){2})?(?![A-Za-z0-9_]|[:-][0-9a-f]{2})|(?<![A-Za-z0-9_.])(?![1-9]\d{3}(?:\.\d{4}){2})[0-9a-f]{4}(?:\.[0-9a-f]{4}){2}(?![A-Za-z0-9_]|\.[A-Za-z0-9_])/g,
  email:
    /(?<!%|%[0-9a-f])[a-z0-9_+][a-z0-9._+-]*(?:@|%40)(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}(?![a-z0-9]|-+[a-z0-9])/g,
}

test('finds the same as plain expressions in texts of their alphabet', async () => {
  const alphabets: { readonly [name: string]: fc.Arbitrary<string> } = {
    ipv4: fc.stringMatching(/^(?:[0-9]{1,3}[. ,:]|a|-){0,14}$/),
    mac: fc
      .array(
        fc.oneof(
          fc.stringMatching(/^[0-9a-f]{2}$/),
          fc.constantFrom(':', ':', ':', ' ', '.', 'x', '00:1b:63:84:45', '0a.1b.', '001b.6384.45e6'),
        ),
      )
      .map((parts) => parts.join('')),
    email: fc
      .array(fc.constantFrom('a', 'b1', '@', '.', '-', '_', '+', ' ', '.co', '.com', '%40', 'x@y.com', ','))
      .map((parts) => parts.join('')),
  }
  for (const [name, oracle] of Object.entries(ORACLES)) {
    await fc.assert(
      fc.asyncProperty(fc.array(alphabets[name], { minLength: 20, maxLength: 20 }), async (texts) => {
        const { lines } = await runStage(
          redact,
          { preset: 'none', rules: [{ detect: [name], action: 'mask', with: 'M' }] },
          texts.map((v) => ({ v })),
        )
        for (const [at, line] of lines.entries())
          assert.deepEqual(JSON.parse(line), { v: texts[at].replaceAll(oracle, 'M') })
      }),
      { numRuns: scaled(100) },
    )
  }
})

test('ends on hostile texts', async () => {
  const parts = [
    '1',
    '1 ',
    '4111 ',
    'a.a.',
    '1.1.1.1.',
    ':',
    'a:',
    'aa:',
    '@',
    'a@',
    'a@a.',
    '%40',
    'DE89 ',
    'eyJ',
    '-----BEGIN ',
  ]
  const records = parts.map((part) => ({ v: part.repeat(Math.ceil(300_000 / part.length)) }))
  const { lines } = await runStage(redact, { preset: 'none', rules: [{ detect: ALL, action: 'mask' }] }, records)
  assert.equal(lines.length, parts.length)
})

/** JSON in JSON, this deep. */
function nested(value: string, depth: number): string {
  let one = JSON.stringify({ v: value })
  for (let level = 0; level < depth; level++) one = JSON.stringify({ v: one })
  return one
}

function escapeAll(text: string): string {
  const units = Array.from({ length: text.length }, (_, at) => text.charCodeAt(at).toString(16).padStart(4, '0'))
  return `"${units.map((unit) => `\\u${unit}`).join('')}"`
}

async function assertDetected(rule: object, cases: Cases): Promise<void> {
  await assertStage(redact, { preset: 'none', rules: [rule] }, cases)
}
