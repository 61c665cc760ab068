import * as zlib from 'node:zlib'
import type { Transform } from 'node:stream'
import { SluiceError } from '../errors.ts'

/** A decompressing zlib stream. `bytesWritten` counts the input bytes that it has consumed. */
export type Inflater = Transform & { readonly bytesWritten: number }

/** A compression that is detected in input. */
export interface Compression {
  readonly name: string
  /** Shell command that decompresses standard input, or the file that follows. */
  readonly command: string
  /** Detected by the file name, not by the first bytes. */
  readonly byName?: true
  create(): Inflater
  /**
   * Input to append at the end, and the output that it must produce if the input was complete. Node
   * 22 ends a truncated zstd stream without an error.
   */
  readonly probe?: { readonly input: Buffer; readonly output: Buffer }
}

/** Number of bytes that `detectCompression` needs. */
export const MAGIC_BYTES = 4

/**
 * Detects the compression by the first bytes, or by the name for brotli, which has no magic number.
 * Undefined: not compressed.
 * @throws SluiceError UNSUPPORTED if this Node.js cannot read it.
 */
export function detectCompression(head: Buffer, name: string): Compression | undefined {
  if (head[0] === 0x1f && head[1] === 0x8b) return gzip
  if (head.length >= MAGIC_BYTES && head.readUInt32LE() === 0xfd2fb528) return zstd(name)
  if (name.toLowerCase().endsWith('.br') && head.length > 0) return brotli
  return undefined
}

const CHUNK_BYTES = 256 * 1024

export const gzip: Compression = {
  name: 'gzip',
  command: 'gzip -dc',
  create: () => zlib.createGunzip({ chunkSize: CHUNK_BYTES }),
}

export const brotli: Compression = {
  name: 'brotli',
  command: 'brotli -dc',
  byName: true,
  create: () => zlib.createBrotliDecompress({ chunkSize: CHUNK_BYTES }),
}

function zstd(name: string): Compression {
  if (createZstdDecompress === undefined) {
    throw new SluiceError('UNSUPPORTED', `"${name}" is zstd, which Node.js ${process.version} cannot read`, {
      hint: 'run with Node.js 22.15 or later, or compress the file with gzip',
    })
  }
  const create = createZstdDecompress
  return { name: 'zstd', command: 'zstd -dc', create: () => create({ chunkSize: CHUNK_BYTES }), probe: ZSTD_PROBE }
}

/** Exists since Node 22.15, but not in the types of Node 20. */
const createZstdDecompress: ((options: zlib.ZlibOptions) => Inflater) | undefined = Reflect.get(
  zlib,
  'createZstdDecompress',
)

/** A frame with one line feed. */
const ZSTD_PROBE = { input: Buffer.from('28b52ffd20010900000a', 'hex'), output: Buffer.from('\n') }
