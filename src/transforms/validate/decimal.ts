/** Arithmetic on JSON numbers as they are spelled, exact and in linear time. */

/** Whether a number has no fraction: 1.0 and 1e400 are whole, 9007199254740993.5 is not. */
export function isWhole(text: string): boolean {
  return parse(text).power >= 0
}

/** Negative, 0 or positive, like the comparison function of a sort. */
export function compareNumbers(a: string, b: string): number {
  const [one, two] = [parse(a), parse(b)]
  const signs = signOf(one) - signOf(two)
  if (signs !== 0 || one.digits === '') return signs
  return (one.negative ? -1 : 1) * compareMagnitudes(one, two)
}

/** Whether a number is a multiple of another number that is greater than 0. */
export function isMultiple(text: string, of: string): boolean {
  const [number, unit] = [parse(text), parse(of)]
  if (number.digits === '') return true
  const power = number.power - unit.power
  // The last digit of a number is not zero, so the number has no factor 10 to spare.
  if (power < 0) return false
  const divisor = BigInt(unit.digits)
  return (remainder(number.digits, divisor) * powerOfTen(power, divisor)) % divisor === 0n
}

/** The value is ±digits · 10^power. */
interface Decimal {
  readonly negative: boolean
  /** Without zeros at either end; empty for 0. */
  readonly digits: string
  readonly power: number
}

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/
/** Larger exponents count as this one: no text has so many digits that it matters. */
const MAX_EXPONENT = 1e15
const CHUNK = 15

function parse(text: string): Decimal {
  const [, sign = '', whole = '0', fraction = '', exponent = '0'] = NUMBER.exec(text) ?? []
  const all = (whole + fraction).replace(/^0+/, '')
  let end = all.length
  while (end > 0 && all[end - 1] === '0') end--
  if (end === 0) return { negative: false, digits: '', power: 0 }
  const written = Math.max(-MAX_EXPONENT, Math.min(MAX_EXPONENT, Number(exponent)))
  return { negative: sign === '-', digits: all.slice(0, end), power: written - fraction.length + all.length - end }
}

function signOf({ negative, digits }: Decimal): number {
  return digits === '' ? 0 : negative ? -1 : 1
}

function compareMagnitudes(a: Decimal, b: Decimal): number {
  const sizes = a.digits.length + a.power - (b.digits.length + b.power)
  if (sizes !== 0) return sizes
  if (a.digits === b.digits) return 0
  return a.digits < b.digits ? -1 : 1
}

/** BigInt would convert a long text in more than linear time. */
function remainder(digits: string, divisor: bigint): bigint {
  let rest = 0n
  for (let at = 0; at < digits.length; at += CHUNK) {
    const chunk = digits.slice(at, at + CHUNK)
    rest = (rest * 10n ** BigInt(chunk.length) + BigInt(chunk)) % divisor
  }
  return rest
}

/** 10^power modulo the divisor. */
function powerOfTen(power: number, divisor: bigint): bigint {
  let result = 1n
  let factor = 10n % divisor
  for (let left = BigInt(power); left > 0n; left >>= 1n) {
    if ((left & 1n) === 1n) result = (result * factor) % divisor
    factor = (factor * factor) % divisor
  }
  return result % divisor
}
