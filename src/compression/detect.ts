import * as zlib from 'node:zlib'
import type { Transform } from 'node:stream'
import { SluiceError } from '../errors.ts'

/** A stream of zlib. Bytes that it has consumed are counted in `bytesWritten`. */
export type Inflater = Transform & { readonly bytesWritten: number }

export interface Compression {
  readonly name: string
  /** It was not found by its bytes. */
  readonly byName?: true
  create(): Inflater
  /**
   * What to put behind the input, and what it must inflate to, to learn whether the input was complete. Node 22 ends zstd that is cut
   * short without an error.
   */
  readonly probe?: { readonly input: Buffer; readonly output: Buffer }
}

/** So many bytes are enough for `detectCompression`. */
export const MAGIC_BYTES = 4

/**
 * By the first bytes; only brotli, which has no such mark, by its name. Undefined: not compressed.
 * @throws SluiceError UNSUPPORTED when this Node.js cannot read it.
 */
export function detectCompression(head: Buffer, name: string): Compression | undefined {
  if (head[0] === 0x1f && head[1] === 0x8b) return gzip
  if (head.length >= MAGIC_BYTES && head.readUInt32LE() === 0xfd2fb528) return zstd(name)
  if (name.endsWith('.br') && head.length > 0) return brotli
  return undefined
}

const CHUNK_BYTES = 256 * 1024

export const gzip: Compression = { name: 'gzip', create: () => zlib.createGunzip({ chunkSize: CHUNK_BYTES }) }

export const brotli: Compression = {
  name: 'brotli',
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
  return { name: 'zstd', create: () => create({ chunkSize: CHUNK_BYTES }), probe: ZSTD_PROBE }
}

/** There since Node 22.15; the types are those of Node 20. */
const createZstdDecompress: ((options: zlib.ZlibOptions) => Inflater) | undefined = Reflect.get(
  zlib,
  'createZstdDecompress',
)

/** A frame that holds one line feed. */
const ZSTD_PROBE = { input: Buffer.from('28b52ffd20010900000a', 'hex'), output: Buffer.from('\n') }
