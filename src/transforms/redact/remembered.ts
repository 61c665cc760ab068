import { readName, skipString } from '../../record/json/walk.ts'

/** Remembers the results of a test for short texts. The limits keep hostile texts from filling it. */
export function remembered(test: (text: string) => boolean): (text: string) => boolean {
  const known = new Map<string, boolean>()
  return (text) => {
    const before = known.get(text)
    if (before !== undefined) return before
    const is = test(text)
    if (known.size === MAX_REMEMBERED) known.clear()
    if (text.length <= MAX_LENGTH) known.set(text, is)
    return is
  }
}

const MAX_REMEMBERED = 4096
const MAX_LENGTH = 256

/**
 * Makes a test of a text into a test of the JSON string that begins at an offset. It remembers the
 * results for short texts by their bytes, so that names, which repeat, are rarely decoded.
 */
export function rememberedAt(test: (text: string) => boolean): (bytes: Buffer, start: number) => boolean {
  const passed = new RememberedBytes()
  const failed = new RememberedBytes()
  return (bytes, start) => {
    const end = skipString(bytes, start) - 1
    // A free slot looks like an empty text.
    if (end === start + 1) return test('')
    if (failed.has(bytes, start + 1, end)) return false
    if (passed.has(bytes, start + 1, end)) return true
    const is = test(readName(bytes, start))
    ;(is ? passed : failed).add(bytes, start + 1, end)
    return is
  }
}

/** A set of byte strings of bounded size: a new one replaces another one in its slot. */
export class RememberedBytes {
  readonly #lengths = new Uint8Array(SLOTS)
  readonly #bytes = new Uint8Array(SLOTS * MAX_BYTES)

  has(bytes: Buffer, start: number, end: number): boolean {
    const length = end - start
    if (length > MAX_BYTES) return false
    const slot = slotOf(bytes, start, length)
    if (this.#lengths[slot] !== length) return false
    const at = slot * MAX_BYTES - start
    for (let byte = start; byte < end; byte++) if (this.#bytes[at + byte] !== bytes[byte]) return false
    return true
  }

  add(bytes: Buffer, start: number, end: number): void {
    const length = end - start
    if (length > MAX_BYTES) return
    const slot = slotOf(bytes, start, length)
    this.#lengths[slot] = length
    this.#bytes.set(bytes.subarray(start, end), slot * MAX_BYTES)
  }
}

/**
 * Remembers what became of texts, by their bytes; as bounded as `RememberedBytes`. Addresses repeat,
 * and differ in few of their bytes, so all bytes count for the slot.
 */
export class RememberedTokens {
  readonly #lengths = new Uint8Array(MANY_SLOTS)
  readonly #bytes = new Uint8Array(MANY_SLOTS * MAX_BYTES)
  readonly #tokens: (Buffer | undefined)[] = []
  #slot = -1
  #victim = 0

  /** Whether the text is known. Then `token` is what was added with it. */
  has(bytes: Buffer, start: number, end: number): boolean {
    const length = end - start
    this.#slot = -1
    if (length > MAX_BYTES || length === 0) return false
    let hash = length
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at], 0x01000193)
    const slot = (hash ^ (hash >>> 15)) & (MANY_SLOTS - 1)
    // A text has two slots: otherwise a fifth of some thousand texts would replace each other again and again.
    this.#slot = slot
    if (this.#lengths[slot] === length && this.#isAt(slot, bytes, start, end)) return true
    this.#slot = slot ^ 1
    if (this.#lengths[slot ^ 1] === length && this.#isAt(slot ^ 1, bytes, start, end)) return true
    this.#victim ^= 1
    this.#slot = slot ^ this.#victim
    return false
  }

  #isAt(slot: number, bytes: Buffer, start: number, end: number): boolean {
    const at = slot * MAX_BYTES - start
    for (let byte = start; byte < end; byte++) if (this.#bytes[at + byte] !== bytes[byte]) return false
    return true
  }

  get token(): Buffer | undefined {
    return this.#tokens[this.#slot]
  }

  /** Adds the text of the last `has`. */
  add(bytes: Buffer, start: number, end: number, token: Buffer | undefined): void {
    if (this.#slot < 0) return
    this.#lengths[this.#slot] = end - start
    // Shorter than it takes to make a view.
    const at = this.#slot * MAX_BYTES - start
    for (let byte = start; byte < end; byte++) this.#bytes[at + byte] = bytes[byte]
    this.#tokens[this.#slot] = token
  }
}

const MANY_SLOTS = 4096
const SLOTS = 512
const MAX_BYTES = 128

function slotOf(bytes: Buffer, start: number, length: number): number {
  const sum = bytes[start + (length >> 2)] + bytes[start + (length >> 1)] * 31 + bytes[start + length - 2] * 997
  return (sum + length * 131) & (SLOTS - 1)
}
