import { isIPv4 } from 'node:net'

/** A value of a MaxMind DB. Whole numbers become uint32, others double; `typed` writes other types. */
export type MmdbValue = string | number | boolean | Typed | readonly MmdbValue[] | { readonly [key: string]: MmdbValue }

/** Bytes as they are: the header of a value, and its content. */
class Typed {
  readonly bytes: Buffer

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }
}

export interface MmdbOptions {
  readonly ipVersion?: 4 | 6
  readonly recordSize?: 24 | 28 | 32
  readonly type?: string
  /** Replaces or adds metadata. */
  readonly metadata?: { readonly [key: string]: MmdbValue }
}

/**
 * Writes a MaxMind DB, by version 2 of the public specification (maxmind.github.io/MaxMind-DB). Later
 * networks are inside earlier ones, or apart from them. Equal values are written once, and texts that
 * occur again are pointers, as MaxMind's writer does.
 */
export function writeMmdb(
  networks: readonly (readonly [cidr: string, value: MmdbValue])[],
  { ipVersion = 6, recordSize = 28, type = 'Test', metadata = {} }: MmdbOptions = {},
): Buffer {
  const data = new DataSection()
  const root: Node = [undefined, undefined]
  for (const [cidr, value] of networks) insert(root, bitsOf(cidr, ipVersion), data.add(value))
  const nodes = listNodes(root)
  const tree = Buffer.alloc((nodes.size * recordSize) / 4)
  for (const [node, number] of nodes) {
    const [left, right] = node.map((child) => {
      if (child === undefined) return nodes.size
      return typeof child === 'number' ? nodes.size + SEPARATOR + child : (nodes.get(child) ?? 0)
    })
    writeNode(tree, number, [left, right], recordSize)
  }
  const facts = {
    binary_format_major_version: typed.uint16(2),
    binary_format_minor_version: typed.uint16(0),
    build_epoch: typed.uint64(1_700_000_000n),
    database_type: type,
    description: { en: 'made by a test' },
    ip_version: typed.uint16(ipVersion),
    languages: ['en'],
    node_count: nodes.size,
    record_size: typed.uint16(recordSize),
    ...metadata,
  }
  const separator = Buffer.alloc(SEPARATOR)
  return Buffer.concat([tree, separator, data.bytes(), MARKER, encode(facts, () => undefined)])
}

const SEPARATOR = 16
const MARKER = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1')

/** Values of the other types. */
export const typed = {
  bytes: (bytes: Buffer) => new Typed(Buffer.concat([header(4, bytes.length), bytes])),
  uint16: (value: number) => new Typed(integer(5, BigInt(value))),
  uint64: (value: bigint) => new Typed(integer(9, value)),
  uint128: (value: bigint) => new Typed(integer(10, value)),
  int32: (value: number) => {
    const bytes = Buffer.alloc(4)
    bytes.writeInt32BE(value)
    return new Typed(Buffer.concat([header(8, 4), bytes]))
  },
  float: (value: number) => {
    const bytes = Buffer.alloc(4)
    bytes.writeFloatBE(value)
    return new Typed(Buffer.concat([header(15, 4), bytes]))
  },
  /** A pointer to an offset in the data section, written with 4 bytes. */
  pointer: (offset: number) => {
    const bytes = Buffer.alloc(5)
    bytes[0] = (1 << 5) | (3 << 3)
    bytes.writeUInt32BE(offset, 1)
    return new Typed(bytes)
  },
  raw: (...bytes: readonly number[]) => new Typed(Buffer.from(bytes)),
}

class DataSection {
  readonly #parts: Buffer[] = []
  readonly #known = new Map<string, number>()
  #length = 0

  /** @returns the offset of a value */
  add(value: MmdbValue): number {
    const bytes = encode(value, (text) => this.#shared(text))
    const known = this.#known.get(bytes.toString('latin1'))
    return known ?? this.#append(bytes)
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts)
  }

  /** A pointer to a text of 4 bytes or more. */
  #shared(text: string): Buffer | undefined {
    if (text.length < 4) return undefined
    const bytes = encode(text, () => undefined)
    return pointerTo(this.#known.get(bytes.toString('latin1')) ?? this.#append(bytes))
  }

  #append(bytes: Buffer): number {
    const offset = this.#length
    this.#known.set(bytes.toString('latin1'), offset)
    this.#parts.push(bytes)
    this.#length += bytes.length
    return offset
  }
}

function pointerTo(offset: number): Buffer {
  if (offset < 2048) return Buffer.of((1 << 5) | (offset >> 8), offset & 255)
  const bytes = Buffer.alloc(3)
  bytes.writeUInt16BE((offset - 2048) & 0xffff, 1)
  bytes[0] = (1 << 5) | (1 << 3) | ((offset - 2048) >> 16)
  return bytes
}

function encode(value: MmdbValue, shared: (text: string) => Buffer | undefined): Buffer {
  if (value instanceof Typed) return value.bytes
  if (typeof value === 'boolean') return header(14, value ? 1 : 0)
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return integer(6, BigInt(value))
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(8)
    bytes.writeDoubleBE(value)
    return Buffer.concat([header(3, 8), bytes])
  }
  if (typeof value === 'string') {
    const text = Buffer.from(value)
    return Buffer.concat([header(2, text.length), text])
  }
  const inside = (one: MmdbValue): Buffer => (typeof one === 'string' ? shared(one) : undefined) ?? encode(one, shared)
  if (isArray(value)) return Buffer.concat([header(11, value.length), ...value.map(inside)])
  const members = Object.entries(value)
  return Buffer.concat([header(7, members.length), ...members.flatMap(([key, one]) => [inside(key), inside(one)])])
}

function isArray(value: MmdbValue): value is readonly MmdbValue[] {
  return Array.isArray(value)
}

function header(type: number, size: number): Buffer {
  const short = size < 29 ? size : size < 285 ? 29 : size < 65_821 ? 30 : 31
  const control = type < 8 ? [(type << 5) | short] : [short, type - 7]
  const more = short < 29 ? [] : [...bigEndian(BigInt(size - [29, 285, 65_821][short - 29]), short - 28)]
  return Buffer.from([...control, ...more])
}

/** A number without its leading zeros. */
function integer(type: number, value: bigint): Buffer {
  const length = value === 0n ? 0 : Math.ceil(value.toString(16).length / 2)
  return Buffer.concat([header(type, length), bigEndian(value, length)])
}

function bigEndian(value: bigint, length: number): Buffer {
  return Buffer.from(length === 0 ? '' : value.toString(16).padStart(2 * length, '0'), 'hex')
}

/** A child is a node, or the offset of a value. */
type Node = [Node | number | undefined, Node | number | undefined]

function insert(root: Node, bits: readonly number[], value: number): void {
  let node = root
  for (const bit of bits.slice(0, -1)) {
    const child = node[bit]
    const next: Node = typeof child === 'object' ? child : [child, child]
    node[bit] = next
    node = next
  }
  node[bits[bits.length - 1]] = value
}

function listNodes(root: Node): Map<Node, number> {
  const nodes = new Map<Node, number>()
  const waiting = [root]
  for (let node = waiting.shift(); node !== undefined; node = waiting.shift()) {
    nodes.set(node, nodes.size)
    for (const child of node) if (typeof child === 'object') waiting.push(child)
  }
  return nodes
}

function writeNode(tree: Buffer, number: number, [left, right]: readonly number[], recordSize: number): void {
  const at = (number * recordSize) / 4
  if (recordSize === 32) {
    tree.writeUInt32BE(left, at)
    tree.writeUInt32BE(right, at + 4)
    return
  }
  tree.writeUIntBE(left & 0xffffff, at, 3)
  tree.writeUIntBE(right & 0xffffff, at + (recordSize === 24 ? 3 : 4), 3)
  if (recordSize === 28) tree[at + 3] = ((left >>> 24) << 4) | (right >>> 24)
}

/** The bits of a network. IPv4 is in `::/96` of an IPv6 tree. */
function bitsOf(cidr: string, ipVersion: 4 | 6): number[] {
  const [address = '', length = ''] = cidr.split('/')
  const words = isIPv4(address) ? address.split('.').map(Number) : ipv6Bytes(address)
  const bits = words.flatMap((byte) => [7, 6, 5, 4, 3, 2, 1, 0].map((shift) => (byte >> shift) & 1))
  const own = bits.slice(0, Number(length))
  return isIPv4(address) && ipVersion === 6 ? [...Array.from({ length: 96 }, () => 0), ...own] : own
}

function ipv6Bytes(address: string): number[] {
  const [left = '', right] = address.split('::')
  const [before, after] = [groupsOf(left), groupsOf(right ?? '')]
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0)
  return [...before, ...(right === undefined ? [] : zeros), ...after].flatMap((group) => [group >> 8, group & 255])
}

function groupsOf(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
}
