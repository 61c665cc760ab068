/** Words of an address: an IPv6 address has 4 of 32 bits, the first one most significant; IPv4 has 1. */
export type Words = Uint32Array

/** The version of an address, or 0 for a text that is none. */
export type Version = 0 | 4 | 6

/**
 * Reads an IP address from `[start, end)` of a text in ASCII into `words`, without allocation. A port
 * (`10.0.0.1:443`, `[::1]:443`) and a zone (`fe80::1%eth0`) are left out. An IPv4 address that is
 * mapped into IPv6 (`::ffff:10.0.0.1`) is the IPv4 address. Numbers with leading zeros are refused:
 * some readers take them for octal.
 * @param words At least 4.
 */
export function readAddress(bytes: Uint8Array, start: number, end: number, words: Words): Version {
  if (end - start < MIN_TEXT || end - start > MAX_TEXT) return 0
  if (bytes[start] === OPEN_BRACKET) return readBracketed(bytes, start + 1, end, words)
  const colon = indexOf(bytes, COLON, start, end)
  if (colon < 0) return readIpv4(bytes, start, end, words) ? 4 : 0
  if (indexOf(bytes, DOT, start, colon) < 0) return readIpv6(bytes, start, end, words)
  return isPort(bytes, colon + 1, end) && readIpv4(bytes, start, colon, words) ? 4 : 0
}

/** A range of addresses, as CIDR notation has it. */
export interface Cidr {
  readonly version: 4 | 6
  readonly words: readonly number[]
  /** Length of the prefix in bits. */
  readonly bits: number
}

/**
 * Parses `10.0.0.0/8`, `2001:db8::/32`, or an address alone.
 * @returns the range, or what is wrong with the text
 */
export function parseCidr(text: string): Cidr | string {
  const [address = '', length, ...more] = text.split('/')
  const bytes = Buffer.from(address)
  const words = new Uint32Array(4)
  const isPlain = /^[0-9a-fA-F.:]+$/.test(address) && !/^[^:]*\.[^:]*:/.test(address)
  const version = isPlain && more.length === 0 ? readAddress(bytes, 0, bytes.length, words) : 0
  if (version === 0) return 'is not an address or a range such as 10.0.0.0/8'
  // A mapped address has the length of IPv6.
  const isMapped = version === 4 && address.includes(':')
  const most = version === 4 && !isMapped ? 32 : 128
  if (length !== undefined && !/^\d{1,3}$/.test(length)) return 'has no length after the slash, such as /24'
  const given = length === undefined ? most : Number(length)
  if (given > most || (isMapped && given < MAPPED_BITS)) return `has a length that is not possible: /${given}`
  const bits = isMapped ? given - MAPPED_BITS : given
  const range = [...words.subarray(0, version === 4 ? 1 : 4)]
  if (!cutHostBits(range, bits)) return { version, words: range, bits }
  return `has bits after its /${given}; the range is ${formatAddress(range)}/${bits}`
}

/** An address for messages. */
function formatAddress(words: readonly number[]): string {
  if (words.length === 1) return [24, 16, 8, 0].map((shift) => (words[0] >>> shift) & 0xff).join('.')
  const groups = words.flatMap((word) => [(word >>> 16).toString(16), (word & 0xffff).toString(16)])
  return groups.join(':').replace(/(^|:)0(:0)+(:|$)/, '::')
}

/** Sets the bits after a prefix to 0. @returns true if one was set */
function cutHostBits(words: number[], bits: number): boolean {
  let isCut = false
  for (let word = 0; word < words.length; word++) {
    const inPrefix = Math.min(32, Math.max(0, bits - 32 * word))
    const kept = inPrefix === 0 ? 0 : (words[word] & (0xffffffff << (32 - inPrefix))) >>> 0
    if (kept !== words[word]) isCut = true
    words[word] = kept
  }
  return isCut
}

const [DOT, COLON, OPEN_BRACKET, CLOSE_BRACKET, PERCENT] = Buffer.from('.:[]%')
/** `::` */
const MIN_TEXT = 2
/** A long IPv6 address with a zone and a port. */
const MAX_TEXT = 80
/** Of `::ffff:0:0/96`, the addresses of IPv4. */
const MAPPED_BITS = 96

function readBracketed(bytes: Uint8Array, start: number, end: number, words: Words): Version {
  const close = indexOf(bytes, CLOSE_BRACKET, start, end)
  if (close < 0) return 0
  if (close + 1 < end && !(bytes[close + 1] === COLON && isPort(bytes, close + 2, end))) return 0
  return readIpv6(bytes, start, close, words)
}

function readIpv4(bytes: Uint8Array, start: number, end: number, words: Words): boolean {
  let address = 0
  let octets = 0
  let position = start
  while (octets < 4) {
    const first = position
    let octet = 0
    for (; position < end && isDigit(bytes[position]); position++) octet = octet * 10 + bytes[position] - 48
    const digits = position - first
    if (digits === 0 || digits > 3 || octet > 255 || (digits > 1 && bytes[first] === 48)) return false
    address = address * 256 + octet
    octets++
    if (octets < 4 && bytes[position++] !== DOT) return false
  }
  words[0] = address
  return position === end
}

function readIpv6(bytes: Uint8Array, start: number, given: number, words: Words): Version {
  const zone = indexOf(bytes, PERCENT, start, given)
  if (zone === given - 1) return 0
  const end = zone < 0 ? given : zone
  words.fill(0, 0, 4)
  let group = 0
  /** The group at which `::` stands. */
  let gap = -1
  let position = start
  if (bytes[position] === COLON && bytes[position + 1] !== COLON) return 0
  while (position < end) {
    if (bytes[position] === COLON && bytes[position + 1] === COLON && position + 1 < end) {
      if (gap >= 0) return 0
      gap = group
      position += 2
      continue
    }
    if (group > 0 && gap !== group && bytes[position++] !== COLON) return 0
    const first = position
    let value = 0
    for (; position < end && hexOf(bytes[position]) >= 0; position++) value = value * 16 + hexOf(bytes[position])
    if (position < end && bytes[position] === DOT) {
      // An IPv4 address at the end.
      if (group > 6 || !readIpv4(bytes, first, end, scratch)) return 0
      setGroup(words, group, scratch[0] >>> 16)
      setGroup(words, group + 1, scratch[0] & 0xffff)
      group += 2
      position = end
      break
    }
    if (position === first || position - first > 4 || group > 7) return 0
    setGroup(words, group++, value)
  }
  if (gap < 0 ? group !== 8 : group > 7) return 0
  if (gap >= 0) moveGroups(words, gap, group)
  if (words[0] !== 0 || words[1] !== 0 || words[2] !== 0xffff) return 6
  words[0] = words[3]
  return 4
}

const scratch = new Uint32Array(1)

function setGroup(words: Words, group: number, value: number): void {
  const word = group >> 1
  words[word] = group % 2 === 0 ? (words[word] & 0xffff) | (value << 16) : (words[word] & 0xffff0000) | value
}

function groupOf(words: Words, group: number): number {
  return group % 2 === 0 ? words[group >> 1] >>> 16 : words[group >> 1] & 0xffff
}

/** Moves the groups after `::` to the end. */
function moveGroups(words: Words, gap: number, count: number): void {
  for (let moved = 0; moved < count - gap; moved++) {
    setGroup(words, 7 - moved, groupOf(words, count - 1 - moved))
    if (7 - moved !== count - 1 - moved) setGroup(words, count - 1 - moved, 0)
  }
}

function isPort(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < 1 || end - start > 5) return false
  for (let at = start; at < end; at++) if (!isDigit(bytes[at])) return false
  return true
}

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57
}

function hexOf(byte: number): number {
  if (isDigit(byte)) return byte - 48
  const lower = byte | 0x20
  return lower >= 97 && lower <= 102 ? lower - 87 : -1
}

function indexOf(bytes: Uint8Array, byte: number, start: number, end: number): number {
  for (let at = start; at < end; at++) if (bytes[at] === byte) return at
  return -1
}
