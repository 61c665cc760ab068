import { DOT, MINUS, NINE, ZERO } from './ascii.ts'

/**
 * A decimal of up to 15 significant digits survives conversion to a JavaScript number and back.
 * JavaScript prints numbers below 1e-6 with an exponent.
 */
export const SAFE_DIGITS = 15
export const SAFE_ZEROS = 5

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/
const MAX_EXPONENT_DIGITS = 12

/**
 * True if JavaScript is certain to print the number as it is spelled. The bytes must be a JSON
 * number.
 */
export function isPlainNumber(bytes: Uint8Array, start: number, end: number): boolean {
  const negative = bytes[start] === MINUS
  const first = negative ? start + 1 : start
  let dot = -1
  for (let at = first; at < end; at++) {
    const byte = bytes[at]
    if (byte === DOT) dot = at
    else if (byte < ZERO || byte > NINE) return false
  }
  if (dot < 0) return end - first <= SAFE_DIGITS && !(negative && bytes[first] === ZERO)
  if (end - first - 1 > SAFE_DIGITS || bytes[end - 1] === ZERO) return false
  if (bytes[first] !== ZERO) return true
  let at = dot + 1
  while (bytes[at] === ZERO) at++
  return at - dot - 1 <= SAFE_ZEROS
}

/**
 * Whether two JSON numbers have exactly the same value: 1.10 equals 1.1, but 9007199254740993 does
 * not equal 9007199254740992.
 */
export function sameNumber(a: string, b: string): boolean {
  return a === b || canonicalNumber(a) === canonicalNumber(b)
}

/**
 * One text per value: sign, digits without leading and trailing zeros, and the power of ten of the
 * last digit.
 */
export function canonicalNumber(text: string): string {
  const [, sign, whole, fraction = '', exponent = '0'] = NUMBER.exec(text) ?? []
  // Converting so many digits takes more than linear time. Such an exponent is compared as spelled.
  if (whole === undefined || exponent.length > MAX_EXPONENT_DIGITS) return text
  const digits = (whole + fraction).replace(/^0+/, '')
  const significant = trimZeros(digits)
  if (significant === '') return '0'
  const power = Number(exponent) - fraction.length + (digits.length - significant.length)
  return `${sign}${significant}e${power}`
}

function trimZeros(digits: string): string {
  let end = digits.length
  while (end > 0 && digits[end - 1] === '0') end--
  return digits.slice(0, end)
}
