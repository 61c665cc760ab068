import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assert as assertProperty, property, stringMatching } from 'fast-check'
import { parseDuration, parseSize } from '../../src/fields/units.ts'
import { SluiceError } from '../../src/errors.ts'

test('converts durations to milliseconds', () => {
  const table: [string, number][] = [
    ['0s', 0],
    ['250ms', 250],
    ['30s', 30_000],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['90d', 7_776_000_000],
    ['1w', 604_800_000],
    ['1h30m', 5_400_000],
    ['1m500ms', 60_500],
  ]
  for (const [text, milliseconds] of table) assert.equal(parseDuration(text), milliseconds, text)
})

test('converts sizes to bytes', () => {
  const table: [string, number][] = [
    ['500B', 500],
    ['64KiB', 65_536],
    ['128MiB', 134_217_728],
    ['2GiB', 2_147_483_648],
    ['10MB', 10_000_000],
    ['1.5KiB', 1536],
    ['3kB', 3000],
  ]
  for (const [text, bytes] of table) assert.equal(parseSize(text), bytes, text)
})

test('rejects an invalid duration and suggests the correct spelling', () => {
  const table: [string, string][] = [
    ['PT5M', 'write "5m"'],
    ['P90D', 'write "90d"'],
    ['PT1H30M', 'write "1h30m"'],
    ['300', 'add a unit: "300s", "300m" or "300ms"'],
    ['5 min', 'did you mean "5m"?'],
    ['2 hours', 'did you mean "2h"?'],
    ['1 hour, 30 minutes', 'did you mean "1h30m"?'],
    ['90D', 'did you mean "90d"?'],
    ['', 'examples of durations: 250ms, 30s, 5m, 2h, 90d, 1h30m'],
    ['-5m', 'examples of durations: 250ms, 30s, 5m, 2h, 90d, 1h30m'],
    ['1.5h', 'examples of durations: 250ms, 30s, 5m, 2h, 90d, 1h30m'],
    ['P', 'examples of durations: 250ms, 30s, 5m, 2h, 90d, 1h30m'],
    ['99999999999999999999d', 'the duration is too long'],
  ]
  for (const [text, hint] of table)
    assert.equal(
      hintOf(() => parseDuration(text)),
      hint,
      text,
    )
})

test('rejects an invalid size and suggests the correct spelling', () => {
  const table: [string, string][] = [
    ['128', 'add a unit: "128B", "128KiB" or "128MiB"'],
    ['128M', 'did you mean "128MiB"?'],
    ['128 mb', 'did you mean "128MiB"?'],
    ['1gib', 'did you mean "1GiB"?'],
    ['5 bytes', 'did you mean "5B"?'],
    ['0.3B', 'a size must be a whole number of bytes'],
    ['large', 'examples of sizes: 500B, 64KiB, 128MiB, 2GiB, 10MB'],
  ]
  for (const [text, hint] of table)
    assert.equal(
      hintOf(() => parseSize(text)),
      hint,
      text,
    )
})

test('either parses a text to a safe integer or throws a SluiceError with a hint', () => {
  assertProperty(
    property(stringMatching(/^[PTpt0-9 .mshdwMSHDW]{0,12}$/), (text) => {
      for (const parse of [parseDuration, parseSize]) {
        try {
          assert.ok(Number.isSafeInteger(parse(text)))
        } catch (error) {
          assert.ok(error instanceof SluiceError && error.hint !== undefined, text)
        }
      }
    }),
  )
})

function hintOf(parse: () => number): string | undefined {
  try {
    return `no error: ${parse()}`
  } catch (error) {
    assert.ok(error instanceof SluiceError)
    assert.equal(error.code, 'CONFIG_INVALID')
    return error.hint
  }
}
