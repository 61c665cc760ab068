import { DOT, MINUS, NINE, ZERO } from './ascii.ts'

/** A decimal of up to 15 significant digits survives the way through a JavaScript number; JavaScript writes none below 1e-6 without exponent. */
export const SAFE_DIGITS = 15
export const SAFE_ZEROS = 5

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/
const MAX_EXPONENT_DIGITS = 12

/** True when JavaScript certainly prints the number as it is spelled. The bytes are a number of JSON. */
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

/** Whether two numbers of JSON have the same value, to the last digit: 1.10 and 1.1 have, 9007199254740993 and 9007199254740992 have not. */
export function sameNumber(a: string, b: string): boolean {
  return a === b || canonicalNumber(a) === canonicalNumber(b)
}

/** One text for each value: sign, digits without zeros around them, and the power of ten of the last digit. */
export function canonicalNumber(text: string): string {
  const [, sign, whole, fraction = '', exponent = '0'] = NUMBER.exec(text) ?? []
  // Numbers of that many digits take longer than linear time to read: such an exponent is compared as it is spelled.
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
