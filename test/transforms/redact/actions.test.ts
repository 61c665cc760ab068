import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import redact from '../../../src/transforms/redact.ts'
import { scaled } from '../../support/scale.ts'
import { assertStage, checkStage, runStage } from '../stage.ts'
import type { Cases } from '../stage.ts'

test('partial keeps characters at the ends, and hides how many others there are', async () => {
  await assertPartial({ keepLast: 4 }, [
    ['{"v":"4111111111111111"}', '{"v":"***1111"}'],
    ['{"v":4111111111111111}', '{"v":"***1111"}'],
    ['{"v":"pass1234"}', '{"v":"***1234"}'],
    ['{"v":null,"w":"x"}', '{"v":null,"w":"x"}'],
    ['{"v":"a\\u0062cdefgh\\"ij"}', '{"v":"***h\\"ij"}'],
    ['{"v":"\\ud83d\\ude00abc\\ud83d\\ude00abc"}', '{"v":"***\u{1f600}abc"}'],
    ['{"v":"***1111"}', '{"v":"***1111"}'],
  ])
  await assertPartial({ keepFirst: 6, keepLast: 4 }, [['{"v":"4111111111111111"}', '{"v":"411111***1111"}']])
  await assertPartial({ keepFirst: 1 }, [['{"v":"Ann Lee"}', '{"v":"A***"}']])
})

test('partial masks what is too short, and what is no text', async () => {
  const masked = '{"v":"[redacted]"}'
  await assertPartial({ keepLast: 4 }, [
    ['{"v":"pass12"}', masked],
    ['{"v":"1234"}', masked],
    ['{"v":""}', masked],
    ['{"v":true}', masked],
    ['{"v":{"a":"pass1234"}}', masked],
    ['{"v":["pass1234"]}', masked],
    ['{"v":123}', masked],
  ])
})

test('partial with keepDomain keeps the domain of an address', async () => {
  await assertPartial({ keepFirst: 1, keepDomain: true }, [
    ['{"v":"ann.lee@example.com"}', '{"v":"a***@example.com"}'],
    ['{"v":"al@example.com"}', '{"v":"***@example.com"}'],
    ['{"v":"***@example.com"}', '{"v":"***@example.com"}'],
    ['{"v":"ann lee"}', '{"v":"a***"}'],
  ])
  await assertPartial({ keepDomain: true }, [
    ['{"v":"ann.lee@example.com"}', '{"v":"***@example.com"}'],
    ['{"v":"ann lee"}', '{"v":"[redacted]"}'],
  ])
})

test('generalise makes the same of an address that is spelled with an escape', async () => {
  const number = fc.oneof(
    fc.nat(300).map(String),
    fc.constantFrom('', '0', '00', '01', '255', '256', '-1', '1e1', ' 1'),
  )
  const text = fc.array(number, { minLength: 3, maxLength: 5 }).map((numbers) => numbers.join('.'))
  const texts = fc.sample(text, scaled(2000)).filter((one) => one.length > 0)
  for (const own of [{ path: 'v' }, { detect: ['ipv4', 'ipv6'] }]) {
    const config = { preset: 'none', rules: [{ action: 'generalise', ...own }] }
    const plain = await runStage(redact, config, texts.map(line))
    const escaped = await runStage(
      redact,
      config,
      texts.map((one) => `{"v":"\\u00${one.charCodeAt(0).toString(16)}${one.slice(1)}"}`),
    )
    assert.deepEqual(plain.lines.map(parsed), escaped.lines.map(parsed))
    assert.ok(plain.lines.some((one, at) => one !== line(texts[at])))
  }
})

function parsed(text: string): unknown {
  return JSON.parse(text)
}

function line(text: string): string {
  return `{"v":${JSON.stringify(text)}}`
}

test('truncate cuts texts between characters, never inside an escape or a surrogate pair', async () => {
  await assertStage(redact, rule({ action: 'truncate', length: 3 }), [
    ['{"v":"abcdef"}', '{"v":"abc"}'],
    ['{"v":"abc"}', '{"v":"abc"}'],
    ['{"v":"\\u0061bc"}', '{"v":"\\u0061bc"}'],
    ['{"v":"a\\n\\"b"}', '{"v":"a\\n\\""}'],
    ['{"v":"ab\\ud83d\\ude00c"}', '{"v":"ab\u{1f600}"}'],
    ['{"v":"äöüß"}', '{"v":"äöü"}'],
    ['{"v":"a\\ud800bc"}', '{"v":"a\\ud800b"}'],
    ['{"v":12}', '{"v":12}'],
    ['{"v":123456}', '{"v":"[redacted]"}'],
    ['{"v":null}', '{"v":null}'],
    ['{"v":false}', '{"v":false}'],
    ['{"v":[1]}', '{"v":"[redacted]"}'],
  ])
  await assertStage(redact, rule({ action: 'truncate', length: 0 }), [['{"v":"a"}', '{"v":""}']])
})

test('generalise turns an address into its network, spelled as an address', async () => {
  await assertGeneralised([
    ['203.0.113.77', '203.0.113.0'],
    ['203.0.113.77:52110', '203.0.113.0:52110'],
    ['203.0.113.77/32', '203.0.113.0/24'],
    ['10.1.2.3/8', '10.1.2.0/8'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1::'],
    ['2001:DB8:0001:0::1', '2001:db8:1::'],
    ['[2001:db8:1:2::7]:443', '[2001:db8:1::]:443'],
    ['2001:db8:1:2::7/128', '2001:db8:1::/48'],
    ['::ffff:203.0.113.77', '::ffff:203.0.113.0'],
    ['::ffff:cb00:714d', '::ffff:203.0.113.0'],
    ['fe80::1c2d%eth0', 'fe80::'],
    ['::1', '::'],
    ['00:1b:63:84:45:e6', '00:1b:63:00:00:00'],
    ['00-1B-63-84-45-E6', '00-1B-63-00-00-00'],
    ['001b.6384.45e6', '001b.6300.0000'],
  ])
})

test('generalise cuts a time to its hour, in the spelling that it has', async () => {
  await assertGeneralised([
    ['2026-03-04T18:41:26Z', '2026-03-04T18:00:00Z'],
    ['2026-03-04T18:41:26.123456+05:30', '2026-03-04T18:00:00.000000+05:30'],
    ['2026-03-04 18:41:26,5 UTC', '2026-03-04 18:00:00,0 UTC'],
    ['2026-03-04T18:41', '2026-03-04T18:00'],
    ['2026-03-04T23:59:60Z', '2026-03-04T23:00:00Z'],
    ['2026-03-04', '2026-03-04'],
    ['20260304184126', '20260304180000'],
    ['20260304T184126.5Z', '20260304T180000.0Z'],
    ['Wed, 04 Mar 2026 18:41:26 GMT', 'Wed, 04 Mar 2026 18:00:00 GMT'],
    ['04/Mar/2026:18:41:26 +0100', '04/Mar/2026:18:00:00 +0100'],
    ['1772649686', '1772647200'],
    ['1772649686.25', '1772647200'],
    [1772649686, 1772647200],
    [1772649686.25, 1772647200],
    [1772649686123, 1772647200000],
    ['1772649686123456', '1772647200000000'],
  ])
  await assertStage(redact, rule({ action: 'generalise' }), [
    ['{"v":1772649686123456789}', '{"v":1772647200000000000}'],
  ])
})

test('generalise rounds coordinates to one decimal', async () => {
  await assertGeneralised([
    [52.520008, 52.5],
    [-0.04, 0],
    [13, 13],
    [-122.4194, -122.4],
    ['52.520008', '52.5'],
    ['-0.04', '0.0'],
    ['52.520008,13.404954', '52.5,13.4'],
    ['52.520008, -13.404954', '52.5, -13.4'],
  ])
})

test('generalise masks what is no address, time or coordinate', async () => {
  await assertGeneralised(
    [
      'Ann Lee',
      'http://203.0.113.7/',
      '203.0.113.777',
      '[203.0.113.7',
      '2001:db8::g',
      '1.2.3',
      '200.5',
      '2026-13-04T18:41:26Z',
      '',
      'x'.repeat(200),
      true,
      2000,
      [52.52, 13.4],
      { ip: '203.0.113.7' },
    ].map((value) => [value, '[redacted]'] as const),
  )
  await assertGeneralised([[null, null]])
})

test('what a rule has replaced, partial and generalise leave; truncate cuts it', async () => {
  const rules = [
    { path: 'v', action: 'mask' },
    { path: 'v', action: 'partial', keepLast: 4 },
    { path: 'v', action: 'generalise' },
  ]
  await assertStage(redact, { preset: 'none', rules }, [['{"v":"203.0.113.7"}', '{"v":"[redacted]"}']])
  await assertStage(redact, { preset: 'none', rules: [...rules, { path: 'v', action: 'truncate', length: 4 }] }, [
    ['{"v":"203.0.113.7"}', '{"v":"[red"}'],
  ])
  await assertStage(redact, { rules: [{ path: 'password', action: 'partial', keepLast: 4 }] }, [
    ['{"password":"hunter2hunter2"}', '{"password":"[redacted]"}'],
  ])
})

test('every mistake in a rule has a place and a way out', async () => {
  const findings = await checkStage(redact, {
    rules: [
      { action: 'mask' },
      { path: 'a', action: 'partial' },
      { path: 'a', action: 'truncate' },
      { path: 'a', action: 'mask', keepLast: 4, length: 3 },
      { detect: ['email', 'email'], action: 'truncate', length: 3 },
      { detect: ['card', 'ipv4'], action: 'generalise' },
      { detect: ['card'], action: 'partial', keepDomain: true },
    ],
  })
  assert.deepEqual(
    findings.map(({ at, message }) => `${at.join('.')}: ${message}`),
    [
      'rules.0.action: mask needs a path',
      'rules.1.action: partial keeps nothing',
      'rules.2.action: truncate needs a length',
      'rules.3.keepLast: keepLast is only for partial, but the action is mask',
      'rules.3.length: length is only for truncate, but the action is mask',
      'rules.4.action: truncate is for whole values, and detect finds parts of them',
      'rules.4.detect.1: email is in the list twice',
      'rules.5.detect.0: generalise has no form for card: it is for ipv4, ipv6 and mac',
      'rules.6.keepDomain: keepDomain is for e-mail addresses, but detect has no email',
    ],
  )
})

test('all options of a rule count where the dedup key is redacted, and rules elsewhere do not', () => {
  const key = 'k'.repeat(32)
  assert.deepEqual(effect({ detect: ['email'], action: 'hmac', key }), {
    settings: { preset: [], rules: [{ detect: ['email'], action: 'hmac' }] },
    secrets: [key],
  })
  assert.deepEqual(effect({ path: 'user', detect: ['email'], action: 'partial', keepFirst: 1 }), {
    settings: { preset: [], rules: [{ path: 'user', detect: ['email'], action: 'partial', keepFirst: 1 }] },
    secrets: [],
  })
  assert.equal(effect({ path: 'other', detect: ['email'], action: 'mask' }), undefined)
  assert.equal(effect({ path: 'other', action: 'truncate', length: 1 }), undefined)
})

test('a replayed reject keeps what the first pass wrote', async () => {
  const rules = [
    { path: 'a', action: 'mask', with: '(gone, by rule)' },
    { path: 'a', action: 'partial', keepLast: 4 },
    { path: 'b', action: 'partial', keepFirst: 1, keepDomain: true },
    { path: 'c', action: 'generalise' },
    { path: 'd', action: 'truncate', length: 4 },
    { path: 'e', action: 'hmac', key: 'k'.repeat(32) },
    { path: 'e', action: 'generalise' },
    { path: 'f', action: 'generalise' },
    { detect: ['email', 'ipv4'], action: 'hmac', key: 'k'.repeat(32) },
    { detect: ['card', 'mac'], action: 'partial', keepLast: 4 },
    { detect: ['ipv6'], action: 'generalise' },
  ]
  const record = {
    a: 'Ann Lee',
    b: 'ann@example.com',
    c: '203.0.113.7',
    d: 'abcdef',
    e: 'ann',
    f: 'x',
    text: 'ann@example.com 203.0.113.7 4111 1111 1111 1111 00:1b:63:84:45:e6 2001:db8::1',
  }
  const config = { preset: 'none', rules }
  const { lines } = await runStage(redact, config, [record])
  const again = await runStage(redact, config, lines, { isRedacted: true })
  assert.deepEqual(again.lines, lines)
})

function effect(one: object) {
  const config: Parameters<NonNullable<typeof redact.effectOn>>[0] = JSON.parse(
    JSON.stringify({ preset: 'none', rules: [one] }),
  )
  return redact.effectOn?.(config, ['user.email'], { pipeline: 'p', stage: 'redact', folder: '/' })
}

function rule(options: object) {
  return { preset: 'none', rules: [{ path: 'v', ...options }] }
}

async function assertPartial(options: object, cases: Cases): Promise<void> {
  await assertStage(redact, rule({ action: 'partial', ...options }), cases)
}

async function assertGeneralised(cases: readonly (readonly [unknown, unknown])[]): Promise<void> {
  const lines = cases.map(([before, after]) => [JSON.stringify({ v: before }), JSON.stringify({ v: after })] as const)
  await assertStage(redact, rule({ action: 'generalise' }), lines)
  // What is general stays as it is.
  const general = lines.map(([, after]) => [after, after] as const)
  await assertStage(redact, rule({ action: 'generalise' }), general)
}
