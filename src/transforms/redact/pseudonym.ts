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
    const digest = createHmac('sha256', secret).update(text, 'utf8').digest('hex')
    const pseudonym = Buffer.from(`"hmac:${digest.slice(0, 32)}"`)
    if (known.size === MAX_REMEMBERED) known.clear()
    if (text.length <= MAX_REMEMBERED_LENGTH) known.set(text, pseudonym)
    return pseudonym
  }
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
