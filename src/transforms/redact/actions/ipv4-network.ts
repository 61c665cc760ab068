import { Edit } from '../../../record/batch.ts'
import type { Batch } from '../../../record/batch.ts'
import { FIRST_TOKEN } from '../../../record/edits.ts'
import { DOT, NINE, QUOTE, ZERO } from '../../../record/json/ascii.ts'

/**
 * The edit that makes the IPv4 address in `[start, end)`, the inside of a string, its /24 network;
 * undefined if something else is there. What `networkOf` does, without a text: addresses differ in almost
 * every event.
 */
export function ipv4Network(batch: Batch, bytes: Buffer, start: number, end: number): number | undefined {
  const last = lastNumberOfIpv4(bytes, start, end)
  return last < 0 ? undefined : networkOfIpv4(batch, { bytes, start, last, end })
}

/** `ipv4Network` of an address whose last number is known to begin at `last`. */
export function networkOfIpv4(
  batch: Batch,
  {
    bytes,
    start,
    last,
    end,
  }: { readonly bytes: Buffer; readonly start: number; readonly last: number; readonly end: number },
): number {
  if (end - last === 1 && bytes[last] === ZERO) return Edit.keep
  batch.tokens.write(bytes, start - 1, last)
  batch.tokens.writeByte(ZERO)
  batch.tokens.writeByte(QUOTE)
  return FIRST_TOKEN + batch.tokens.end()
}

/** Where the last number of an IPv4 address begins, by the rules of `net.isIPv4`; -1 if it is none. */
export function lastNumberOfIpv4(bytes: Buffer, start: number, end: number): number {
  if (end - start < SHORTEST || end - start > LONGEST) return -1
  let dots = 0
  let first = start
  let value = 0
  for (let at = start; at < end; at++) {
    const byte = bytes[at]
    if (byte === DOT) {
      if (at === first || dots === 3) return -1
      dots++
      first = at + 1
      value = 0
    } else {
      if (byte < ZERO || byte > NINE || (at > first && value === 0)) return -1
      value = 10 * value + byte - ZERO
      if (value > 255) return -1
    }
  }
  return dots === 3 && first < end ? first : -1
}

/** `0.0.0.0`, `255.255.255.255`. */
const SHORTEST = 7
const LONGEST = 15
