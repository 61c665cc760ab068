import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import * as fc from 'fast-check'
import { isDateTime, isDateTimeText, nanosecondsOf, parseInstant } from '../../../src/record/json/instant.ts'
import { scaled } from '../../support/scale.ts'

const ajv = new Ajv2020()
addFormats.default(ajv)
const ajvDateTime = ajv.compile({ type: 'string', format: 'date-time' })

test('agrees with Date on plain UTC times', () => {
  for (const text of [
    '1970-01-01T00:00:00Z',
    '1969-12-31T23:59:59.999Z',
    '2024-02-29T12:34:56.7Z',
    '2000-02-29T00:00:00Z',
    '2024-12-31T23:59:59.123Z',
    '9999-12-31T23:59:59.999Z',
    '2024-03-04t18:01:26z',
  ]) {
    assert.equal(instant(text), Date.parse(text.toUpperCase()), text)
  }
  assert.equal(instant('0000-01-01T00:00:00Z'), Date.UTC(2000, 0, 1) - 5 * 146097 * 86400000)
})

test('rounds milliseconds down, also before 1970, and returns the rest as nanoseconds', () => {
  assert.equal(instant('2024-03-04T18:01:26.449220296Z'), Date.parse('2024-03-04T18:01:26.449Z'))
  assert.equal(nanos('2024-03-04T18:01:26.449220296Z'), 220296)
  assert.equal(instant('1969-12-31T23:59:59.9999Z'), -1)
  assert.equal(nanos('1969-12-31T23:59:59.9999Z'), 900000)
  assert.equal(nanos('2024-03-04T18:01:26Z'), 0)
  assert.equal(nanos('2024-03-04T18:01:26.5Z'), 0)
  assert.equal(nanos('2024-03-04T18:01:26.0000007+02:00'), 700)
})

test('applies the offset', () => {
  assert.equal(instant('2024-03-01T01:30:00+02:00'), Date.parse('2024-02-29T23:30:00Z'))
  assert.equal(instant('2024-03-04T18:01:26.25-09:30'), Date.parse('2024-03-05T03:31:26.25Z'))
  assert.equal(instant('2024-03-04T18:01:26-00:00'), Date.parse('2024-03-04T18:01:26Z'))
})

test('accepts a leap second only at the end of a UTC day, as the next second', () => {
  assert.equal(instant('2016-12-31T23:59:60Z'), Date.parse('2017-01-01T00:00:00Z'))
  assert.equal(instant('2016-12-31T15:59:60.5-08:00'), Date.parse('2017-01-01T00:00:00.5Z'))
  assert.ok(Number.isNaN(instant('2016-12-31T22:59:60Z')))
  assert.ok(Number.isNaN(instant('2016-12-31T23:59:60+01:00')))
  assert.ok(Number.isNaN(instant('2016-12-31T23:59:61Z')))
})

/** Spellings in public samples and documentation of products that write audit events, by instant. */
const SPELLINGS: { readonly [rfc3339: string]: readonly string[] } = {
  '2024-03-04T18:01:42Z': [
    '2024-03-04T18:01:42+0000',
    '2024-03-04T18:01:42+00',
    '2024-03-04T13:01:42-0500',
    '2024-03-04T20:01:42 +02:00',
    '2024-03-04 18:01:42Z',
    '2024-03-04 18:01:42 UTC',
    '2024-03-04 18:01:42 GMT',
    '2024-03-04 18:01:42 +0000 UTC',
    '2024-03-04T18:01:42',
    '2024-03-04 18:01:42',
    '2024-03-04T18:01:42,0Z',
    '20240304180142',
    '20240304T180142Z',
    '20240304180142.000',
    'Mon, 04 Mar 2024 18:01:42 GMT',
    'Mon, 4 Mar 2024 20:01:42 +0200',
    '04 Mar 2024 18:01:42 UTC',
    '04/Mar/2024:18:01:42 +0000',
    '1709575302',
    '1709575302.000',
    '1709575302000',
    '1709575302000000',
    '1709575302000000000',
    '1.709575302e9',
    '1.709575302e+09',
    '1.709575302E12',
  ],
  '2024-03-04T18:01:42.5Z': [
    '2024-03-04t18:01:42.50z',
    '2024-03-04 18:01:42,500',
    '2024-03-04T18:01:42.500+0000',
    '20240304180142.500',
    '1709575302.5',
    '1709575302500',
    '1709575302500.000',
    '1.7095753025e9',
  ],
  '2024-03-04T18:01:42.123456789Z': [
    '2024-03-04T18:01:42.1234567890123Z',
    '2024-03-04 18:01:42.123456789 +0000 UTC',
    '1709575302.123456789',
    '1709575302123.456789',
    '1709575302123456.789',
    '1709575302123456789',
  ],
  '2024-03-04T18:01:00Z': ['2024-03-04T18:01Z', '2024-03-04 18:01', '2024-03-04T18:01+00:00', '4 Mar 2024 18:01 GMT'],
  '2024-03-04T00:00:00Z': ['2024-03-04'],
  '1973-03-03T09:46:40Z': ['100000000', '100000000000', '100000000000000', '100000000000000000'],
  '2286-11-20T17:46:39Z': ['9999999999', '9999999999000', '9999999999000000', '9999999999000000000'],
  '2016-12-31T23:59:60Z': ['2016-12-31T23:59:60+0000', '2016-12-31 23:59:60', '2016-12-31T18:59:60-05:00'],
}

for (const [expected, spellings] of Object.entries(SPELLINGS)) {
  test(`reads each spelling of ${expected}`, () => {
    for (const text of spellings) {
      assert.deepEqual([instant(text), nanos(text)], [instant(expected), nanos(expected)], text)
    }
  })
}

test('distinguishes a leap second from the second after it', () => {
  const [leap, next] = ['2016-12-31T23:59:60.5Z', '2017-01-01T00:00:00.5Z']
  assert.equal(instant(leap), instant(next))
  assert.notEqual(nanos(leap), nanos(next))
})

test('rejects everything that is not a time, or whose meaning is not certain', () => {
  for (const text of [
    '',
    'Z',
    '2024-02-30T00:00:00Z',
    '2024-02-30 00:00:00',
    '2023-02-29T00:00:00Z',
    '1900-02-29T00:00:00Z',
    '2024-00-10T00:00:00Z',
    '2024-13-10T00:00:00Z',
    '2024-01-00T00:00:00Z',
    '2024-04-31T00:00:00Z',
    '2024-01-01T24:00:00Z',
    '2024-01-01T00:60:00Z',
    '2024-01-01T00:00:61Z',
    '2024-01-01T00:00:00.Z',
    '2024-01-01T00:00:00+24:00',
    '2024-01-01T00:00:00+00:60',
    '2024-01-01T00:00:00+0060',
    '2024-01-01T00:00:00ZZ',
    '2024-01-01T00:00:00 EST',
    '2024-1-01T00:00:00.0Z',
    '+024-01-01T00:00:00Z',
    '2024-01-01T0a:00:00Z',
    '2024-01-01\t00:00:00Z',
    '2024-01-01T00Z',
    '3/29/2017 3:43:21 PM',
    '03/04/2024 18:01:42',
    '32/Mar/2024:18:01:42 +0000',
    '04 Mai 2024 18:01:42 GMT',
    'Mon Mar  4 18:01:42 2024',
    '0',
    '5',
    '20240304',
    '17095753021',
    '12345678901234567',
    '20241304180142',
    '-1709575302',
    '01709575302',
    '1e400',
    '1.5e99',
    '1709575302.',
    ' 1709575302',
    '\u0661\u0667\u0660\u0669\u0665\u0667\u0665\u0663\u0660\u0662',
    `2024-01-01T00:00:00.${'0'.repeat(100_000)}Z`,
    '9'.repeat(100_000),
  ]) {
    assert.ok(Number.isNaN(instant(text)), text.slice(0, 100))
    assert.equal(isDateTimeText(text), false, text.slice(0, 100))
  }
})

test('does not read bytes outside the given range', () => {
  const line = Buffer.from('"2024-03-04T18:01:26.123456Z"')
  assert.equal(parseInstant(line, 1, line.length - 1), Date.parse('2024-03-04T18:01:26.123Z'))
  assert.ok(Number.isNaN(parseInstant(line, 1, 12)))
  const digits = Buffer.from('2024-03-04T18:01:26.123456Z1709575302123')
  assert.equal(parseInstant(digits, 0, 23), Date.parse('2024-03-04T18:01:26.123Z'))
  assert.equal(nanosecondsOf(digits, 0, 23), 0)
  assert.equal(nanosecondsOf(digits, 0, 25), 450_000)
  assert.equal(parseInstant(digits, 27, 37), 1709575302000)
})

const two = (max: number) => fc.integer({ min: 0, max }).map((value) => String(value).padStart(2, '0'))
const timeLike = fc
  .tuple(
    fc.integer({ min: 0, max: 9999 }).map((year) => String(year).padStart(4, '0')),
    two(13),
    two(32),
    fc.constantFrom('T', 't', ' ', 'x'),
    two(24),
    two(61),
    two(61),
    fc.option(fc.stringMatching(/^[0-9]{1,11}$/), { nil: undefined }),
    fc.oneof(
      fc.constantFrom('Z', 'z', '', '+01', '-0530'),
      fc.tuple(fc.constantFrom('+', '-'), two(24), two(60)).map(([sign, h, m]) => `${sign}${h}:${m}`),
    ),
  )
  .map(([y, mo, d, t, h, mi, s, f, z]) => `${y}-${mo}-${d}${t}${h}:${mi}:${s}${f === undefined ? '' : `.${f}`}${z}`)

/** ajv also takes 24:59:00+01 and 03:61:00+04:02 for times: it looks for leap seconds in UTC only. */
function isValid(text: string): boolean {
  return ajvDateTime(text) && !/^.{11}(?:24:|\d\d:6)/.test(text)
}

test('what ajv accepts as a date-time is one here, is read, and agrees with Date', () => {
  let accepted = 0
  fc.assert(
    fc.property(timeLike, (text) => {
      assert.equal(isDateTimeText(text), isValid(text), text)
      if (!isValid(text)) return
      accepted++
      const leap = text.slice(17, 19) === '60'
      const plain = (leap ? text.slice(0, 17) + '59' + text.slice(19) : text)
        .toUpperCase()
        .replace(' ', 'T')
        .replace(/(\.\d{3})\d+/, '$1')
        .replace(/([+-]\d\d):?(\d\d)?$/, (_, hours: string, minutes = '00') => `${hours}:${minutes}`)
      assert.equal(instant(text), Date.parse(plain) + (leap ? 1000 : 0), text)
    }),
    { numRuns: scaled(5000) },
  )
  assert.ok(accepted > 100, `only ${accepted} times`)
})

test('reads every date-time, however fast it was recognised', () => {
  const ordinary = fc
    .tuple(two(12), two(31), two(24), two(60), fc.stringMatching(/^(\.[0-9]{0,10})?$/), fc.constantFrom('Z', 'z', ''))
    .map(([month, day, hour, second, fraction, zone]) => `2024-${month}-${day}T${hour}:30:${second}${fraction}${zone}`)
  const spoilt = fc
    .tuple(ordinary, fc.nat(29), fc.constantFrom('/', ':', '0', '-', 'T', 'é'))
    .map(([text, at, by]) => text.slice(0, at) + by + text.slice(at + 1))
  fc.assert(
    fc.property(fc.oneof(timeLike, ordinary, spoilt), (text) => {
      const line = Buffer.from(`"${text}"`)
      const end = line.length - 1
      if (isDateTime(line, 1, end)) assert.ok(!Number.isNaN(parseInstant(line, 1, end)), text)
      assert.equal(isDateTime(line, 1, end), isValid(text), text)
    }),
    { numRuns: scaled(20_000) },
  )
})

function instant(text: string): number {
  return parseInstant(Buffer.from(text), 0, Buffer.byteLength(text))
}

function nanos(text: string): number {
  return nanosecondsOf(Buffer.from(text), 0, Buffer.byteLength(text))
}
