import { createHmac, createSecretKey } from 'node:crypto'

/**
 * Creates the pseudonym of a text as JSON: `"hmac:` and the first 32 hexadecimal digits of a keyed
 * HMAC-SHA-256. The same text gives the same pseudonym.
 */
export function createPseudonyms(key: string): (text: string) => Buffer {
  // A KeyObject is prepared once; a key in a Buffer is prepared for each HMAC.
  const secret = createSecretKey(key, 'utf8')
  const known = new Map<string, Buffer>()
  return (text) => {
    const before = known.get(text)
    if (before !== undefined) return before
    const digest = createHmac('sha256', secret).update(bytesOf(text)).digest('hex')
    const pseudonym = Buffer.from(`"hmac:${digest.slice(0, 32)}"`)
    if (known.size === MAX_REMEMBERED) known.clear()
    if (text.length <= MAX_REMEMBERED_LENGTH) known.set(text, pseudonym)
    return pseudonym
  }
}

/**
 * UTF-8; a lone surrogate, which UTF-8 does not have and Node.js would replace by U+FFFD, as the three
 * bytes that its number would have. So different texts have different bytes.
 */
function bytesOf(text: string): string | Buffer {
  if (!LONE_SURROGATE.test(text)) return text
  const parts = text.split(LONE_SURROGATE)
  // Split with a group: every second part is a surrogate.
  return Buffer.concat(parts.map((part, at) => (at % 2 === 0 ? Buffer.from(part) : surrogate(part.charCodeAt(0)))))
}

/** With the flag u, the halves of a pair are no surrogates. */
const LONE_SURROGATE = /(\p{Surrogate})/u

function surrogate(unit: number): Buffer {
  return Buffer.of(0xe0 | (unit >> 12), 0x80 | ((unit >> 6) & 0x3f), 0x80 | (unit & 0x3f))
}

/**
 * True for a text that looks like a pseudonym. It may not be one: anybody can write such a text.
 */
export function isPseudonym(text: string): boolean {
  return /^hmac:[0-9a-f]{32}$/.test(text)
}

/**
 * Addresses and names repeat, so the cache saves most HMACs. The limits keep hostile values from
 * filling it.
 */
const MAX_REMEMBERED = 8192
const MAX_REMEMBERED_LENGTH = 256
