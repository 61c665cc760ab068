import type { Words } from './address.ts'
import { MmdbDamage } from './mmdb-decoder.ts'

export interface TreeFacts {
  readonly node_count: number
  /** Bits of each of the two records of a node. */
  readonly record_size: number
  readonly ip_version: number
}

/** The search tree of a MaxMind DB: a node has two records, one for each value of the next bit. */
export class MmdbTree {
  /** Length of the tree. */
  readonly bytes: number
  readonly #file: Buffer
  readonly #nodes: number
  readonly #size: number
  readonly #version: number
  /** Where IPv4 begins: an IPv6 tree has it below 96 zeros. It may be no node. */
  readonly #ipv4: number
  readonly #ipv4Depth: number

  /** @throws MmdbDamage if the file cannot hold it */
  constructor(file: Buffer, { node_count, record_size, ip_version }: TreeFacts) {
    if (![24, 28, 32].includes(record_size)) throw new MmdbDamage(`nodes of ${record_size} bits`)
    if (ip_version !== 4 && ip_version !== 6) throw new MmdbDamage(`addresses of the IP version ${ip_version}`)
    this.bytes = (node_count * record_size) / 4
    if (node_count < 1 || !Number.isInteger(node_count) || this.bytes + SEPARATOR > file.length)
      throw new MmdbDamage(`${node_count} nodes in its metadata, and not in the file`)
    if (file.subarray(this.bytes, this.bytes + SEPARATOR).some((byte) => byte !== 0))
      throw new MmdbDamage('no gap between its search tree and its data')
    this.#file = file
    this.#nodes = node_count
    this.#size = record_size
    this.#version = ip_version
    let node = 0
    let depth = 0
    const zeros = ip_version === 6 ? 96 : 0
    for (; depth < zeros && node < node_count; depth++) node = this.#next(node, 0)
    this.#ipv4 = node
    this.#ipv4Depth = depth
  }

  /** The record of an address, as an offset in the data; undefined if there is no record. */
  findIpv4(words: Words): number | undefined {
    // A network of IPv6 that includes all of IPv4.
    if (this.#ipv4Depth < 96 && this.#version === 6) return this.#recordOf(this.#ipv4)
    return this.#find(this.#ipv4, words, 32)
  }

  findIpv6(words: Words): number | undefined {
    return this.#version === 4 ? undefined : this.#find(0, words, 128)
  }

  /**
   * Checks all nodes. @returns about `count` records, from all of the tree
   * @throws MmdbDamage if a node leads out of the file
   */
  check(count: number): number[] {
    const samples = new Set<number>()
    const step = Math.max(1, Math.floor(this.#nodes / count))
    const dataBytes = this.#file.length - this.bytes - SEPARATOR
    for (let node = 0; node < this.#nodes; node++) {
      for (let bit = 0; bit < 2; bit++) {
        const value = this.#next(node, bit)
        if (value <= this.#nodes) continue
        const record = value - this.#nodes - SEPARATOR
        if (record < 0 || record >= dataBytes) throw new MmdbDamage('a node that leads out of the file')
        if (node % step === 0 || samples.size < 10) samples.add(record)
      }
    }
    return [...samples]
  }

  #find(start: number, words: Words, bits: number): number | undefined {
    let node = start
    for (let bit = 0; bit < bits && node < this.#nodes; bit++) {
      node = this.#next(node, (words[bit >> 5] >>> (31 - (bit & 31))) & 1)
    }
    if (node < this.#nodes) throw new MmdbDamage('a search tree that is too deep')
    return this.#recordOf(node)
  }

  #recordOf(value: number): number | undefined {
    return value === this.#nodes ? undefined : value - this.#nodes - SEPARATOR
  }

  #next(node: number, bit: number): number {
    const file = this.#file
    if (this.#size === 24) {
      const at = node * 6 + bit * 3
      return (file[at] << 16) | (file[at + 1] << 8) | file[at + 2]
    }
    if (this.#size === 32) return file.readUInt32BE(node * 8 + bit * 4)
    const at = node * 7
    const middle = file[at + 3]
    if (bit === 0) return ((middle & 0xf0) << 20) | (file[at] << 16) | (file[at + 1] << 8) | file[at + 2]
    return ((middle & 0x0f) << 24) | (file[at + 4] << 16) | (file[at + 5] << 8) | file[at + 6]
  }
}

/** Zeros between the tree and the data. */
const SEPARATOR = 16
