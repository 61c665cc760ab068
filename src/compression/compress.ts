import { pipeline } from 'node:stream'
import type { Readable, Transform } from 'node:stream'
import { finished } from 'node:stream/promises'
import zlib from 'node:zlib'
import { SluiceError } from '../errors.ts'
import type { Compressor } from './compressor.ts'
import { createGzip } from './gzip.ts'

export type ObjectCompression = 'none' | 'gzip' | 'zstd'
export const compressions = ['none', 'gzip', 'zstd'] as const

/** File extensions of objects. */
export const extensions = { none: '.ndjson', gzip: '.ndjson.gz', zstd: '.ndjson.zst' } as const satisfies {
  [name in ObjectCompression]: string
}

/**
 * A file is one gzip member or one zstd frame: many readers silently stop after the first one (zlib
 * and zstandard of Python, Perl, the zstd of Node.js).
 *
 * @param level default 4 for gzip: on audit events, objects are a fifth smaller than with 1 to 3,
 *   at nine tenths of the speed. Default 3 for zstd, as in its library.
 * @throws SluiceError UNSUPPORTED for zstd if this Node.js does not support it.
 */
export function createCompressor(compression: ObjectCompression, level?: number): Compressor {
  if (compression === 'none') return { push: (bytes) => Promise.resolve(bytes), end: nothing }
  if (compression === 'gzip') return createGzip({ level: level ?? 4, chunkSize: CHUNK })
  if (!hasZstd(zlib)) throw new SluiceError('UNSUPPORTED', zstdMissing)
  const params = { [zlib.constants.ZSTD_c_compressionLevel]: level ?? 3 }
  return streamCompressor(zlib.createZstdCompress({ params, chunkSize: CHUNK }))
}

/** Why this Node.js cannot write a compression; undefined if it can. */
export function compressionProblem(compression: ObjectCompression): string | undefined {
  return compression === 'zstd' && !hasZstd(zlib) ? zstdMissing : undefined
}

/**
 * The decompressed bytes of an object. Truncated input fails with the error of the library.
 * @throws SluiceError UNSUPPORTED for zstd if this Node.js does not support it.
 */
export function decompress(bytes: Readable, compression: ObjectCompression): Readable {
  if (compression === 'none') return bytes
  if (compression === 'gzip') return pipeline(bytes, zlib.createGunzip(), ignore)
  if (!hasZstd(zlib)) throw new SluiceError('UNSUPPORTED', zstdMissing)
  return pipeline(bytes, zlib.createZstdDecompress(), ignore)
}

/** The reader of the output gets every error. */
function ignore(): void {}

function nothing(): Promise<Buffer> {
  return Promise.resolve(Buffer.alloc(0))
}

const zstdMissing = `zstd needs Node.js 22.15 or later, this is ${process.version}: use gzip`
const CHUNK = 256 * 1024

/** The zstd part of `zlib`, which Node.js 20 does not have. */
interface Zstd {
  createZstdCompress(options: { params: { [name: number]: number }; chunkSize: number }): Transform
  createZstdDecompress(): Transform
  constants: { ZSTD_c_compressionLevel: number }
}

function hasZstd(library: object): library is Zstd {
  return 'createZstdCompress' in library
}

function streamCompressor(stream: Transform): Compressor {
  let chunks: Buffer[] = []
  let failure: Error | undefined
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  stream.on('error', (error) => (failure = error))
  const take = (): Buffer => {
    if (failure) throw failure
    const taken = Buffer.concat(chunks)
    chunks = []
    return taken
  }
  return {
    async push(bytes) {
      await new Promise<void>((resolve) => stream.write(bytes, () => resolve()))
      return take()
    },
    async end() {
      stream.end()
      await finished(stream)
      return take()
    },
  }
}
