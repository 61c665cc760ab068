import { matchesOf } from './span.ts'
import type { Span } from './span.ts'

/**
 * Finds card numbers: a known issuer with its lengths, a correct check digit (Luhn), written without
 * separators, or in the groups of the card with a blank or a dash between all of them.
 */
export function findCards(text: string): Span[] {
  const groups = matchesOf(text, /\d+/g).map(({ 0: digits, index }) => ({ start: index, end: index + digits.length }))
  const found: Span[] = []
  for (let first = 0; first < groups.length; first++) {
    const count = cardAt(text, groups, first)
    if (count === 0) continue
    found.push({ start: groups[first].start, end: groups[first + count - 1].end })
    first += count - 1
  }
  return found
}

const GROUPINGS = [
  [4, 4, 4, 4],
  [4, 6, 5],
  [4, 6, 4],
  [4, 4, 4, 4, 3],
]

/** How many groups from this one on are a card number; 0 for none. */
function cardAt(text: string, groups: readonly Span[], first: number): number {
  const { start, end } = groups[first]
  if (isTouched(text, start - 1, -1)) return 0
  if (end - start >= SHORTEST) return !isTouched(text, end, 1) && isCard(text.slice(start, end)) ? 1 : 0
  const separator = text[end]
  if (end - start !== 4 || (separator !== ' ' && separator !== '-')) return 0
  for (const lengths of GROUPINGS) {
    const list = groups.slice(first, first + lengths.length)
    const last = list.at(-1)
    if (last === undefined || list.length < lengths.length || isTouched(text, last.end, 1)) continue
    const fits = list.every(
      (group, at) =>
        group.end - group.start === lengths[at] &&
        (at === 0 || (group.start === list[at - 1].end + 1 && text[list[at - 1].end] === separator)),
    )
    if (fits && isCard(list.map((group) => text.slice(group.start, group.end)).join(''))) return lengths.length
  }
  return 0
}

/** Whether the number continues at `at`: a letter, a digit, or a dot or dash and a digit beyond it. */
function isTouched(text: string, at: number, direction: 1 | -1): boolean {
  const next = text[at] ?? ''
  return /[A-Za-z0-9_]/.test(next) || (/[.-]/.test(next) && /\d/.test(text[at + direction] ?? ''))
}

const SHORTEST = 14

/** First digits of the issuers with the lengths of their numbers. */
const ISSUERS: readonly (readonly [RegExp, number, number])[] = [
  // Visa
  [/^4/, 16, 16],
  [/^4/, 19, 19],
  // Mastercard
  [/^(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, 16, 16],
  // American Express
  [/^3[47]/, 15, 15],
  // Diners Club
  [/^(?:30[0-5]|3095|36|3[89])/, 14, 19],
  // Discover, RuPay
  [/^(?:6011|64[4-9]|65|60|508)/, 16, 19],
  // JCB
  [/^35(?:2[89]|[3-8])/, 16, 19],
  // UnionPay
  [/^(?:62|81)/, 16, 19],
  // Maestro
  [/^(?:5018|5020|5038|5893|6304|6759|676[1-3])/, 16, 19],
  // Mir
  [/^220[0-4]/, 16, 19],
  // Troy
  [/^9792/, 16, 16],
]

/** Whether digits are the number of a card. */
function isCard(digits: string): boolean {
  const { length } = digits
  return (
    length >= SHORTEST &&
    length <= 19 &&
    ISSUERS.some(([start, from, to]) => length >= from && length <= to && start.test(digits)) &&
    hasCheckDigit(digits)
  )
}

function hasCheckDigit(digits: string): boolean {
  let sum = 0
  for (let place = 0; place < digits.length; place++) {
    const digit = digits.charCodeAt(digits.length - 1 - place) - 48
    const weighted = place % 2 === 0 ? digit : 2 * digit
    sum += weighted > 9 ? weighted - 9 : weighted
  }
  return sum % 10 === 0
}

/**
 * Finds international bank account numbers (ISO 13616): the length of the country, correct check
 * digits, without separators or with a blank after every fourth character.
 */
export function findIbans(text: string): Span[] {
  const found: Span[] = []
  for (const { 0: country, index } of matchesOf(text, COUNTRY)) {
    const length = IBAN_LENGTHS.get(country)
    if (length === undefined) continue
    const isGrouped = text[index + 4] === ' '
    const end = index + length + (isGrouped ? Math.floor((length - 1) / 4) : 0)
    const written = text.slice(index, end)
    if (isGrouped ? !GROUPED.test(written) : !PLAIN.test(written)) continue
    if (/[A-Za-z0-9_]/.test(text[end] ?? '') || !hasCheckDigits(compact(written))) continue
    found.push({ start: index, end })
  }
  return found
}

const COUNTRY = /(?<![A-Za-z0-9_])[A-Z]{2}(?=\d\d)/g
const PLAIN = /^[A-Z0-9]+$/
const GROUPED = /^(?:[A-Z0-9]{4} )+[A-Z0-9]{1,4}$/

/** Without blanks and dashes. */
export function compact(number: string): string {
  return number.replaceAll(/[ -]/g, '')
}

/** ISO 7064, MOD 97-10. */
function hasCheckDigits(iban: string): boolean {
  let rest = 0
  for (const character of iban.slice(4) + iban.slice(0, 4)) {
    const value = Number.parseInt(character, 36)
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97
  }
  return rest === 1
}

/** The lengths of the IBAN registry (SWIFT, ISO 13616-2). */
const IBAN_LENGTHS = new Map(
  `NO15 BE16 DK18 FI18 FK18 FO18 GL18 NL18 SD18 MK19 SI19 AT20 BA20 EE20 KZ20 LT20 LU20 MN20 XK20 CH21 HR21 LI21 LV21
   BG22 BH22 CR22 DE22 GB22 GE22 IE22 ME22 RS22 VA22 AE23 GI23 IL23 IQ23 OM23 SO23 TL23 AD24 CZ24 ES24 MD24 PK24 RO24
   SA24 SE24 SK24 TN24 VG24 LY25 PT25 ST25 IS26 TR26 BI27 DJ27 FR27 GR27 IT27 MC27 MR27 SM27 AL28 AZ28 BY28 CY28 DO28
   GT28 HN28 HU28 LB28 NI28 PL28 SV28 BR29 EG29 PS29 QA29 UA29 JO30 KW30 MU30 YE30 MT31 SC31 LC32 RU33`
    .split(/\s+/)
    .map((row) => [row.slice(0, 2), Number(row.slice(2))] as const),
)
