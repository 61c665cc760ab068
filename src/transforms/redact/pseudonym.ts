import { createHmac, createSecretKey } from 'node:crypto'

/** JSON text of the pseudonym of a text: `"hmac:` and 32 hexadecimal digits of its keyed HMAC-SHA-256. The same text has the same pseudonym. */
export function createPseudonyms(key: string): (text: string) => Buffer {
  // A KeyObject, since a key in a Buffer is prepared again for each HMAC.
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

/** True for what looks like one, whoever has written it. */
export function isPseudonym(text: string): boolean {
  return /^hmac:[0-9a-f]{32}$/.test(text)
}

/** Addresses and names repeat, so most HMACs are saved; hostile values must not pile up. */
const MAX_REMEMBERED = 8192
const MAX_REMEMBERED_LENGTH = 256
