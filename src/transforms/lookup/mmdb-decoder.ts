/**
 * The data section of a MaxMind DB, by version 2 of the format (maxmind.github.io/MaxMind-DB), as JSON
 * text. Only what is wanted of a record is decoded: `city.names.en` of a city has 20 bytes of 2,000.
 *
 * The file may be damaged, or made to do harm: a small file can have pointers that describe a record of
 * any size, or one that contains itself. So the work for one value is bounded.
 */
export class MmdbDecoder {
  readonly #bytes: Buffer
  /** Offsets of the section in the file. Pointers count from its start. */
  readonly #start: number
  readonly #end: number
  /** Values that the current call may still visit. */
  #left = 0
  /** Bytes of text that it may still decode. */
  #bytesLeft = 0
  /** The header that was read last: type, size, and where the value begins. */
  #type = 0
  #size = 0

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes
    this.#start = start
    this.#end = end
  }

  /**
   * The JSON text of the value at a path into the record at an offset of the section; undefined if it is
   * not there. Bytes become base64; numbers keep all digits.
   * @throws MmdbDamage
   */
  json(offset: number, path: readonly (string | number)[]): string | undefined {
    this.#left = MAX_VALUES
    this.#bytesLeft = MAX_BYTES
    let at: number | undefined = this.#start + offset
    for (const step of path) {
      at = typeof step === 'number' ? this.#element(at, step) : this.#member(at, step)
      if (at === undefined) return undefined
    }
    const text: string[] = []
    this.#write(at, text, 0)
    return text.join('')
  }

  #member(map: number, wanted: string): number | undefined {
    let at = this.#open(map)
    if (this.#type !== Type.map) return undefined
    for (let left = this.#size; left > 0; left--) {
      const key = this.#key(at)
      at = this.#skip(at)
      if (key === wanted) return at
      at = this.#skip(at)
    }
    return undefined
  }

  #element(array: number, index: number): number | undefined {
    let at = this.#open(array)
    if (this.#type !== Type.array || index >= this.#size) return undefined
    for (let left = index; left > 0; left--) at = this.#skip(at)
    return at
  }

  /** Writes a value. @returns where the next one begins */
  #write(value: number, out: string[], depth: number): number {
    if (depth > MAX_DEPTH) throw new MmdbDamage(`more than ${MAX_DEPTH} values inside each other`)
    let at = this.#open(value)
    const [type, size] = [this.#type, this.#size]
    if (type === Type.map || type === Type.array) {
      out.push(type === Type.map ? '{' : '[')
      for (let left = size; left > 0; left--) {
        if (left < size) out.push(',')
        if (type === Type.map) {
          out.push(JSON.stringify(this.#key(at)), ':')
          at = this.#skip(at)
        }
        at = this.#write(at, out, depth + 1)
      }
      out.push(type === Type.map ? '}' : ']')
    } else {
      out.push(this.#scalar(type, at, size))
      if (type !== Type.boolean) at += size
    }
    return this.#isPointer(value) ? this.#afterPointer(value) : at
  }

  #scalar(type: number, at: number, size: number): string {
    switch (type) {
      case Type.text:
        return JSON.stringify(this.#text(at, size))
      case Type.bytes:
        return JSON.stringify(this.#bytes.toString('base64', at, at + this.#counted(size)))
      case Type.double:
        this.#sized(size, 8)
        return numberText(this.#bytes.readDoubleBE(at))
      case Type.float:
        this.#sized(size, 4)
        return numberText(shortest(this.#bytes.readFloatBE(at)))
      case Type.boolean:
        return String(this.#sized(size, 0, 1) === 1)
      case Type.uint16:
        return this.#unsigned(at, this.#sized(size, 0, 2))
      case Type.uint32:
        return this.#unsigned(at, this.#sized(size, 0, 4))
      case Type.uint64:
        return this.#unsigned(at, this.#sized(size, 0, 8))
      case Type.uint128:
        return this.#unsigned(at, this.#sized(size, 0, 16))
      case Type.int32:
        return this.#sized(size, 0, 4) === 4 ? String(this.#bytes.readInt32BE(at)) : this.#unsigned(at, size)
      default:
        throw new MmdbDamage(`a value of the unknown type ${type}`)
    }
  }

  #sized(size: number, least: number, most = least): number {
    if (size < least || size > most) throw new MmdbDamage(`a number of ${size} bytes`)
    return size
  }

  #unsigned(at: number, size: number): string {
    if (size <= 6) return String(size === 0 ? 0 : this.#bytes.readUIntBE(at, size))
    return BigInt(`0x${this.#bytes.toString('hex', at, at + size)}`).toString()
  }

  #key(value: number): string {
    const at = this.#open(value)
    if (this.#type !== Type.text) throw new MmdbDamage('a key that is not text')
    return this.#text(at, this.#size)
  }

  #text(at: number, size: number): string {
    return this.#bytes.toString('utf8', at, at + this.#counted(size))
  }

  #isPointer(at: number): boolean {
    return this.#bytes[at] >>> 5 === Type.pointer
  }

  #afterPointer(at: number): number {
    return this.#within(at + 2 + ((this.#bytes[at] >>> 3) & 3))
  }

  /** The offset after a value. What a pointer points at is not visited. */
  #skip(value: number): number {
    let at = value
    for (let left = 1; left > 0; left--) {
      if (this.#isPointer(at)) {
        this.#count()
        at = this.#afterPointer(at)
        continue
      }
      at = this.#header(at)
      if (this.#type === Type.map) left += 2 * this.#size
      else if (this.#type === Type.array) left += this.#size
      else if (this.#type !== Type.boolean) at = this.#within(at + this.#size)
    }
    return at
  }

  /** Reads the header of a value, or of the one that is pointed at. @returns where its content begins */
  #open(value: number): number {
    if (!this.#isPointer(value)) return this.#checked(this.#header(value))
    this.#count()
    const control = this.#bytes[value]
    const length = (control >>> 3) & 3
    this.#within(value + 2 + length)
    const high = length === 3 ? 0 : (control & 7) * 256 ** (length + 1)
    const target = this.#start + high + this.#bytes.readUIntBE(value + 1, length + 1) + POINTER_BASES[length]
    if (target >= this.#end || this.#isPointer(target)) throw new MmdbDamage('a pointer that leads nowhere')
    return this.#checked(this.#header(target))
  }

  /** The content of a scalar ends within the section. */
  #checked(at: number): number {
    const hasBytes = this.#type !== Type.map && this.#type !== Type.array && this.#type !== Type.boolean
    if (hasBytes) this.#within(at + this.#size)
    return at
  }

  #header(value: number): number {
    this.#count()
    const bytes = this.#bytes
    let at = value + 1
    this.#within(at)
    const control = bytes[value]
    this.#type = control >>> 5
    if (this.#type === 0) {
      this.#within(at + 1)
      this.#type = 7 + bytes[at++]
    }
    this.#size = control & 31
    if (this.#size < 29) return at
    const more = this.#size - 28
    this.#within(at + more)
    this.#size = SIZE_BASES[more - 1] + bytes.readUIntBE(at, more)
    return at + more
  }

  #count(): void {
    if (--this.#left < 0) throw new MmdbDamage(`more than ${MAX_VALUES} values in one record`)
  }

  #counted(size: number): number {
    this.#bytesLeft -= size
    if (this.#bytesLeft < 0) throw new MmdbDamage(`more than ${MAX_BYTES} bytes of text in one record`)
    return size
  }

  #within(end: number): number {
    if (end > this.#end) throw new MmdbDamage('a value that ends after the data')
    return end
  }
}

/** What is wrong with a database, as the end of `it has …`. */
export class MmdbDamage extends Error {}

/** The metadata are after the last one of these, and in the last 128 KiB of the file. */
export const METADATA_MARKER = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1')
export const METADATA_BYTES = 128 << 10

/** A record of GeoIP2 City has about 200. */
const MAX_VALUES = 20_000
const MAX_BYTES = 1 << 20
const MAX_DEPTH = 32
const POINTER_BASES = [0, 2048, 526_336, 0]
const SIZE_BASES = [29, 285, 65_821]

const Type = {
  pointer: 1,
  text: 2,
  double: 3,
  bytes: 4,
  uint16: 5,
  uint32: 6,
  map: 7,
  int32: 8,
  uint64: 9,
  uint128: 10,
  array: 11,
  boolean: 14,
  float: 15,
} as const

/** JSON has no infinities: null. */
function numberText(number: number): string {
  if (!Number.isFinite(number)) return 'null'
  return Object.is(number, -0) ? '-0' : String(number)
}

/** The shortest number of digits that means a number of 32 bits. */
function shortest(number: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const rounded = Number(number.toPrecision(digits))
    if (Math.fround(rounded) === number) return rounded
  }
  return number
}
