import { isIPv4, isIPv6 } from 'node:net'
import { matchesOf } from './span.ts'
import type { Span } from './span.ts'

/**
 * Finds IPv4 addresses: four decimal numbers up to 255 without leading zeros. Not found are parts of
 * longer numbers with dots (`1.3.6.1.4.1`), and versions: after `version`, after `Chrome/`, before
 * `-beta`.
 */
export function findIpv4(text: string): Span[] {
  if (!text.includes('.')) return []
  const found: Span[] = []
  for (const { 0: address, index } of matchesOf(text, IPV4)) {
    const end = index + address.length
    if (isIPv4(address) && !isVersion(text, index, end)) found.push({ start: index, end })
  }
  return found
}

const IPV4 = /(?<![A-Za-z0-9_]|[A-Za-z0-9_]\.)\d{1,3}(?:\.\d{1,3}){3}(?![A-Za-z0-9_]|\.\d|-[A-Za-z])/g

function isVersion(text: string, start: number, end: number): boolean {
  if (start === 0) return false
  const before = text.slice(Math.max(0, start - LOOK_BACK), start)
  return AFTER_VERSION.test(before) || (AFTER_PRODUCT.test(before) && !BEFORE_IP_ONLY.test(text.slice(end, end + 3)))
}

const LOOK_BACK = 40
const AFTER_VERSION =
  /(?:^|[^A-Za-z])(?:version|ver|v|release|build|firmware|revision|rev|section|oid)s?["']?[ :=.#]{1,3}["']?$|§ ?$/i
/** A product of a user agent: `Chrome/120.0.0.0`. */
const AFTER_PRODUCT = /(?:^|[\s(;,"'])[A-Za-z][\w-]*\/$/
/** A port or a prefix length. */
const BEFORE_IP_ONLY = /^(?::\d|\/\d)/

/**
 * Whether a member with this name holds versions: `version`, `osVersion`, `agent_version`, `build`.
 */
export function isVersionName(name: string): boolean {
  return /(?:version|build|release|firmware|revision|(?:^|[_.-])ver|[a-z]Ver)$/i.test(name)
}

/**
 * Finds IPv6 addresses in every spelling of RFC 4291, with their zone. Not found are texts of
 * letters such as `a::b`, and fingerprints.
 */
export function findIpv6(text: string): Span[] {
  if (!text.includes(':')) return []
  const found: Span[] = []
  for (const { 0: run, index } of matchesOf(text, RUN)) {
    // Cheap, and most runs are times.
    if (!run.includes('::') && colonsOf(run) < 6) continue
    const span = addressIn(text, index, index + run.length)
    if (span !== undefined) found.push(span)
  }
  return found
}

const RUN = /[0-9A-Fa-f:.]{3,}/g
const LONGEST = 45
const EUI64 = /^[0-9a-f]{2}(?::[0-9a-f]{2}){7}$/i
const ZONE = /%(?:25)?[A-Za-z0-9_.-]{0,14}[A-Za-z0-9_]/y

/** The address in a run of its characters, which other text may touch. */
function addressIn(text: string, from: number, to: number): Span | undefined {
  let start = from
  let end = to
  // `ip:2001:db8::1`: the end of a word before a colon belongs to the word.
  if (isWord(text, start - 1)) {
    const colon = text.indexOf(':', start)
    if (colon < 0 || text.startsWith(':::', colon)) return undefined
    start = colon + 1
  }
  if (start >= end) return undefined
  if (text[start] === ':' && text[start + 1] !== ':') start++
  if (end - start > LONGEST + 2) return undefined
  while (text[end - 1] === '.' || (text[end - 1] === ':' && text[end - 2] !== ':')) end--
  if (!isIPv6(text.slice(start, end))) {
    // tcpdump writes the port after a dot.
    const dot = text.indexOf('.', start)
    if (dot < 0 || dot >= end) return undefined
    end = dot
  }
  const address = text.slice(start, end)
  if (!isIPv6(address) || isWord(text, end) || EUI64.test(address)) return undefined
  if (!/\d/.test(address) && colonsOf(address) < 4) return undefined
  if (address === '::') return undefined
  ZONE.lastIndex = end
  return { start, end: ZONE.test(text) ? ZONE.lastIndex : end }
}

function colonsOf(text: string): number {
  let colons = 0
  for (let at = text.indexOf(':'); at >= 0; at = text.indexOf(':', at + 1)) colons++
  return colons
}

function isWord(text: string, at: number): boolean {
  return /[A-Za-z0-9_]/.test(text[at] ?? '')
}

/**
 * Finds hardware addresses of 6 or 8 bytes: `00:1b:63:84:45:e6`, `00-1B-63-84-45-E6`,
 * `001b.6384.45e6`. Not found are longer rows of bytes (fingerprints), and dates of two-digit
 * numbers with dashes.
 */
export function findMac(text: string): Span[] {
  const found: Span[] = []
  for (const { 0: run, index } of matchesOf(text, BYTES)) {
    // In `MAC:00:1b:…`, the run begins with the end of a word.
    const start = isWord(text, index - 1) ? index + 3 : index
    const end = index + run.length
    const address = text.slice(start, end)
    if (!isWord(text, end) && MAC.test(address) && !DATE_LIKE.test(address)) found.push({ start, end })
  }
  if (!text.includes('.')) return found
  for (const { 0: address, index } of matchesOf(text, DOTTED)) {
    const end = index + address.length
    if (isWord(text, index - 1) || text[index - 1] === '.' || isWord(text, end)) continue
    if ((text[end] !== '.' || !isWord(text, end + 1)) && !DOTTED_NUMBER.test(address)) found.push({ start: index, end })
  }
  return found.length < 2 ? found : found.toSorted((a, b) => a.start - b.start)
}

/** A whole row of bytes, so that no part of a longer one is an address. */
const BYTES = /[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5,}/g
const MAC = /^[0-9A-F]{2}([:-])[0-9A-F]{2}(?:\1[0-9A-F]{2}){4}(?:(?:\1[0-9A-F]{2}){2})?$/i
const DOTTED = /[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}/g
const DATE_LIKE = /^\d\d(?:-\d\d)+$/
const DOTTED_NUMBER = /^[1-9]\d{3}\.\d{4}\.\d{4}$/

/** Lower case, with colons. */
export function normalMac(address: string): string {
  return (
    address
      .toLowerCase()
      .replaceAll(/[^0-9a-f]/g, '')
      .match(/../g) ?? []
  ).join(':')
}

/** The address with the number of the maker only; the other half is zero. */
export function makerOf(address: string): string {
  let digits = 0
  return address.replaceAll(/[0-9A-Fa-f]/g, (digit) => (digits++ < 6 ? digit : '0'))
}
