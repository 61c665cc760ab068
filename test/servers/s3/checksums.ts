import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'

export const checksumAlgorithms = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const
export type ChecksumAlgorithm = (typeof checksumAlgorithms)[number]
export type ChecksumType = 'COMPOSITE' | 'FULL_OBJECT'

/** As S3 stores it: base64, and for a COMPOSITE checksum followed by `-<number of parts>`. */
export interface Checksum {
  readonly algorithm: ChecksumAlgorithm
  readonly value: string
  readonly type: ChecksumType
}

export interface Digest {
  update(bytes: Uint8Array): unknown
  digest(): Buffer
}

export function createDigest(algorithm: ChecksumAlgorithm): Digest {
  switch (algorithm) {
    case 'CRC32':
      return crc32Digest((bytes, value) => crc32(bytes, value))
    case 'CRC32C':
      return crc32Digest(crc32c)
    case 'CRC64NVME':
      return crc64NvmeDigest()
    default:
      return createHash(algorithm)
  }
}

/** The checksum of checksums of a multipart object. */
export function compositeChecksum(algorithm: ChecksumAlgorithm, parts: readonly string[]): Checksum {
  const digest = createDigest(algorithm)
  for (const part of parts) digest.update(Buffer.from(part, 'base64'))
  return { algorithm, value: `${digest.digest().toString('base64')}-${parts.length}`, type: 'COMPOSITE' }
}

export function checksumHeader(algorithm: ChecksumAlgorithm): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`
}

export function checksumElement(algorithm: ChecksumAlgorithm): string {
  return `Checksum${algorithm}`
}

export function parseChecksumAlgorithm(name: string | undefined): ChecksumAlgorithm | undefined {
  return checksumAlgorithms.find((algorithm) => algorithm === name?.toUpperCase())
}

function crc32Digest(step: (bytes: Uint8Array, value: number) => number): Digest {
  let value = 0
  return {
    update: (bytes) => (value = step(bytes, value)),
    digest() {
      const digest = Buffer.alloc(4)
      digest.writeUInt32BE(value)
      return digest
    },
  }
}

/** Castagnoli's polynomial, bits reversed. */
const crc32cTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1
  return value
})

function crc32c(bytes: Uint8Array, previous: number): number {
  let value = ~previous
  for (let i = 0; i < bytes.length; i++) {
    value = (value >>> 8) ^ (crc32cTable[(value ^ (bytes[i] ?? 0)) & 0xff] ?? 0)
  }
  return ~value >>> 0
}

/** The NVMe polynomial, bits reversed; each entry is kept as its high and its low 32 bits. */
const crc64High = new Uint32Array(256)
const crc64Low = new Uint32Array(256)
for (let byte = 0; byte < 256; byte++) {
  let value = BigInt(byte)
  for (let bit = 0; bit < 8; bit++) value = value & 1n ? (value >> 1n) ^ 0x9a6c9329ac4bc9b5n : value >> 1n
  crc64High[byte] = Number(value >> 32n)
  crc64Low[byte] = Number(value & 0xffffffffn)
}

function crc64NvmeDigest(): Digest {
  let high = 0xffffffff | 0
  let low = 0xffffffff | 0
  return {
    update(bytes) {
      for (let i = 0; i < bytes.length; i++) {
        const entry = (low ^ (bytes[i] ?? 0)) & 0xff
        low = ((low >>> 8) | (high << 24)) ^ (crc64Low[entry] ?? 0)
        high = (high >>> 8) ^ (crc64High[entry] ?? 0)
      }
    },
    digest() {
      const digest = Buffer.alloc(8)
      digest.writeUInt32BE(~high >>> 0, 0)
      digest.writeUInt32BE(~low >>> 0, 4)
      return digest
    },
  }
}
