import { isIPv4, isIPv6 } from 'node:net'

/** The text of an address without its zone: `fe80::1%eth0` is `fe80::1`. */
export function withoutZone(address: string): string {
  const zone = address.indexOf('%')
  return zone < 0 ? address : address.slice(0, zone)
}

export function isAddress(text: string): boolean {
  return isIPv4(text) || isIPv6(text)
}

/**
 * The spelling that all equal addresses share: RFC 5952, without a zone; an IPv4 address that is
 * mapped into IPv6 (`::ffff:203.0.113.7`) is the IPv4 address.
 */
export function normalAddress(address: string): string {
  if (isIPv4(address)) return address
  const groups = groupsOf(withoutZone(address))
  return isMapped(groups) ? ipv4Of(groups) : formatIpv6(groups)
}

/**
 * The network of an address, spelled as an address, so that a field of addresses stays one: the last
 * octet of IPv4, and all after the first 48 bits of IPv6, are zero. A mapped IPv4 address stays
 * mapped, and a zone is removed.
 */
export function networkOf(address: string): string {
  if (isIPv4(address)) return `${address.slice(0, address.lastIndexOf('.'))}.0`
  const groups = groupsOf(withoutZone(address))
  if (isMapped(groups)) return `::ffff:${networkOf(ipv4Of(groups))}`
  return formatIpv6(groups.fill(0, NETWORK_GROUPS))
}

/** 48 bits. */
const NETWORK_GROUPS = 3

/** The eight groups of an IPv6 address. */
function groupsOf(address: string): number[] {
  const [head, tail] = address.split('::')
  const before = partsOf(head)
  if (tail === undefined) return before
  const after = partsOf(tail)
  return [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after]
}

function partsOf(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((part) => {
    if (!part.includes('.')) return Number.parseInt(part, 16)
    const [a, b, c, d] = part.split('.').map(Number)
    return [(a << 8) | b, (c << 8) | d]
  })
}

function isMapped(groups: readonly number[]): boolean {
  return groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)
}

function ipv4Of(groups: readonly number[]): string {
  return [groups[6] >> 8, groups[6] & 0xff, groups[7] >> 8, groups[7] & 0xff].join('.')
}

/** RFC 5952: lower case, no leading zeros, the first of the longest runs of zeros is `::`. */
function formatIpv6(groups: readonly number[]): string {
  let longest = { start: 0, length: 1 }
  for (let start = 0; start < groups.length; start++) {
    let length = 0
    while (groups[start + length] === 0) length++
    if (length > longest.length) longest = { start, length }
  }
  const hex = groups.map((group) => group.toString(16))
  if (longest.length === 1) return hex.join(':')
  return `${hex.slice(0, longest.start).join(':')}::${hex.slice(longest.start + longest.length).join(':')}`
}
