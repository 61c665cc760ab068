import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import * as fc from 'fast-check'
import { isInstant, nanosecondsOf, parseInstant } from '../../../src/record/json/instant.ts'
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

test('rejects everything that is not an RFC 3339 time', () => {
  for (const text of [
    '',
    'Z',
    '2024-02-30T00:00:00Z',
    '2023-02-29T00:00:00Z',
    '1900-02-29T00:00:00Z',
    '2024-00-10T00:00:00Z',
    '2024-13-10T00:00:00Z',
    '2024-01-00T00:00:00Z',
    '2024-04-31T00:00:00Z',
    '2024-01-01T24:00:00Z',
    '2024-01-01T00:60:00Z',
    '2024-01-01 00:00:00Z',
    '2024-01-01T00:00:00',
    '2024-01-01T00:00:00.Z',
    '2024-01-01T00:00:00.5',
    '2024-01-01T00:00:00.1234567891Z',
    '2024-01-01T00:00:00+01',
    '2024-01-01T00:00:00+0100',
    '2024-01-01T00:00:00+24:00',
    '2024-01-01T00:00:00+00:60',
    '2024-01-01T00:00:00ZZ',
    '2024-01-01T00:00:00,5Z',
    '2024-1-01T00:00:00.0Z',
    '+024-01-01T00:00:00Z',
    '20240101T000000.000Z',
    '2024-01-01T0a:00:00Z',
  ]) {
    assert.ok(Number.isNaN(instant(text)), text)
  }
})

test('does not read bytes outside the given range', () => {
  const line = Buffer.from('"2024-03-04T18:01:26.123456Z"')
  assert.equal(parseInstant(line, 1, line.length - 1), Date.parse('2024-03-04T18:01:26.123Z'))
  assert.ok(Number.isNaN(parseInstant(line, 1, line.length - 2)))
  assert.ok(Number.isNaN(parseInstant(Buffer.from('2024-03-04T18:01:26.123456Z'), 0, 23)))
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
    fc.option(fc.stringMatching(/^[0-9]{0,11}$/), { nil: undefined }),
    fc.oneof(
      fc.constantFrom('Z', 'z', '', '+01', '-0530'),
      fc.tuple(fc.constantFrom('+', '-'), two(24), two(60)).map(([sign, h, m]) => `${sign}${h}:${m}`),
    ),
  )
  .map(([y, mo, d, t, h, mi, s, f, z]) => `${y}-${mo}-${d}${t}${h}:${mi}:${s}${f === undefined ? '' : `.${f}`}${z}`)

test('every accepted time is a date-time for ajv and agrees with Date', () => {
  fc.assert(
    fc.property(timeLike, (text) => {
      const found = instant(text)
      if (Number.isNaN(found)) return
      assert.ok(ajvDateTime(text), text)
      const leap = text.slice(17, 19) === '60'
      const spelled = leap ? text.slice(0, 17) + '59' + text.slice(19) : text
      assert.equal(found, Date.parse(spelled.toUpperCase().replace(/(\.\d{3})\d+/, '$1')) + (leap ? 1000 : 0), text)
    }),
    { numRuns: scaled(5000) },
  )
})

test('accepts every RFC 3339 spelling that ajv accepts', () => {
  const strict = /^\d{4}-\d\d-\d\d[Tt]([01]\d|2[0-3]):[0-5]\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/
  fc.assert(
    fc.property(timeLike, (text) => {
      if (strict.test(text) && ajvDateTime(text)) assert.ok(!Number.isNaN(instant(text)), text)
    }),
    { numRuns: scaled(5000) },
  )
})

test('isInstant agrees with parseInstant', () => {
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
      assert.equal(isInstant(line, 1, end), !Number.isNaN(parseInstant(line, 1, end)), text)
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
