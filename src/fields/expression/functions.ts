import type { Call, ExpressionFunction } from './call.ts'
import { double, int, timestamp } from './operators.ts'
import { textFunctions } from './text-functions.ts'
import { durationParts, offsetOf, readDuration, readTimestamp, timeParts } from './times.ts'
import { Duration, isList, isMap, kindOf, NONE, Optional, Timestamp, TypeName, typeName } from './values.ts'
import type { Value } from './values.ts'
import { durationText, NANOSECONDS, timestampText } from './write-value.ts'

const conversions: { readonly [name: string]: ExpressionFunction['run'] } = {
  bool([value], { fail }) {
    if (typeof value === 'boolean') return value
    if (value === 'true' || value === 'false') return value === 'true'
    return fail(typeof value === 'string' ? 'bool() needs "true" or "false"' : `bool() cannot convert ${kindOf(value)}`)
  },
  double([value], { fail }) {
    if (typeof value === 'number' || typeof value === 'bigint') return Number(value)
    if (typeof value !== 'string') return fail(`double() cannot convert ${kindOf(value)}`)
    return DECIMAL.test(value) ? double(Number(value), fail) : fail('double() needs a number, such as "1.5"')
  },
  dyn: ([value]) => value,
  duration([value], { fail }) {
    if (value instanceof Duration) return value
    return typeof value === 'string' ? readDuration(value, fail) : fail(`duration() cannot convert ${kindOf(value)}`)
  },
  int([value], { fail }) {
    if (typeof value === 'bigint') return value
    if (typeof value === 'number') return int(BigInt(Math.trunc(value)), fail)
    if (value instanceof Timestamp) return value.nanoseconds / NANOSECONDS
    if (typeof value !== 'string') return fail(`int() cannot convert ${kindOf(value)}`)
    return INTEGER.test(value) ? int(BigInt(value.replace('+', '')), fail) : fail('int() needs digits, such as "15"')
  },
  string([value], { fail }) {
    if (typeof value === 'string') return value
    if (typeof value === 'boolean' || typeof value === 'bigint' || typeof value === 'number') return String(value)
    if (value instanceof Timestamp) return timestampText(value)
    if (value instanceof Duration) return durationText(value)
    return fail(`string() cannot convert ${kindOf(value)}`)
  },
  timestamp([value], { fail }) {
    if (value instanceof Timestamp) return value
    if (typeof value === 'string') return readTimestamp(value, fail)
    if (typeof value === 'bigint') return timestamp(value * NANOSECONDS, fail)
    return fail(`timestamp() cannot convert ${kindOf(value)}`)
  },
  type: ([value]) => new TypeName(typeName(value)),
}

const INTEGER = /^[-+]?\d{1,19}$/
const DECIMAL = /^[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?$/

function size([value]: readonly Value[], { frame, fail }: Call): Value {
  if (typeof value === 'string') {
    frame.spend(value.length >> 4)
    let pairs = 0
    for (let at = 0; at < value.length; at++) if ((value.codePointAt(at) ?? 0) > 0xffff) pairs++
    return BigInt(value.length - pairs)
  }
  if (isList(value)) return BigInt(value.length)
  return isMap(value) ? BigInt(value.size) : fail(`size() needs a text, a list or a map, not ${kindOf(value)}`)
}

function timeFunction(name: string): ExpressionFunction['run'] {
  const part = timeParts[name]
  const unit = durationParts[name]
  return ([value, zone = 'UTC'], { fail }) => {
    if (value instanceof Duration && unit !== undefined) return value.nanoseconds / unit
    if (!(value instanceof Timestamp)) {
      return fail(`${name}() needs a timestamp, not ${kindOf(value)}; write timestamp(…) around a text`)
    }
    const offset = typeof zone === 'string' ? offsetOf(zone) : undefined
    if (offset === undefined) return fail(`the time zone of ${name}() must be "UTC" or an offset such as "+02:00"`)
    const milliseconds = (value.nanoseconds - (((value.nanoseconds % MILLION) + MILLION) % MILLION)) / MILLION
    return BigInt(part(new Date(Number(milliseconds) + offset)))
  }
}

const MILLION = 1_000_000n

function optional(name: string, run: (value: Optional, call: Call) => Value): [string, ExpressionFunction] {
  return [
    name,
    {
      form: 'method',
      counts: [1],
      run: ([value], call) =>
        value instanceof Optional ? run(value, call) : call.fail(`${name}() needs an optional, not ${kindOf(value)}`),
    },
  ]
}

/** All functions but the macros, by name. They have no state: not the time of day, no random numbers. */
export const functions: ReadonlyMap<string, ExpressionFunction> = new Map<string, ExpressionFunction>([
  ...Object.entries(conversions).map(([name, run]): [string, ExpressionFunction] => [
    name,
    { form: 'global', counts: [1], run },
  ]),
  ['size', { form: 'both', counts: [1], run: size }],
  ...textFunctions,
  ...Object.keys(timeParts).map((name): [string, ExpressionFunction] => [
    name,
    { form: 'method', counts: [1, 2], run: timeFunction(name) },
  ]),
  optional('hasValue', ({ value }) => value !== undefined),
  optional('value', ({ value }, { fail }) => value ?? (value === null ? null : fail('the optional has no value'))),
  ['optional.of', { form: 'global', counts: [1], run: ([value]) => new Optional(value) }],
  ['optional.none', { form: 'global', counts: [0], run: () => NONE }],
])
