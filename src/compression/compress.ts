import { pipeline } from 'node:stream'
import type { Readable, Transform } from 'node:stream'
import { finished } from 'node:stream/promises'
import { promisify } from 'node:util'
import zlib from 'node:zlib'
import { SluiceError } from '../errors.ts'

export type Compression = 'none' | 'gzip' | 'zstd'
export const compressions = ['none', 'gzip', 'zstd'] as const

/** What follows the name of an object. */
export const endings = { none: '.ndjson', gzip: '.ndjson.gz', zstd: '.ndjson.zst' } as const satisfies {
  [name in Compression]: string
}

/** Compresses one file, on the thread pool. */
export interface Compressor {
  /** What comes out may belong to bytes that were pushed earlier; the order is kept. Not awaiting one push before the next is fine. */
  push(bytes: Buffer): Promise<Buffer>
  end(): Promise<Buffer>
}

/**
 * For gzip each push is a member of its own: members need no memory in between, and all readers take them one behind the other. For zstd
 * the file is one frame, since some readers (zlib of Node.js and zstandard of Python among them) silently stop behind the first.
 *
 * @param level default 4 for gzip: on audit events objects a fifth smaller than at 1 to 3, at nine tenths of the speed; 3 for zstd, its own default.
 * @throws SluiceError UNSUPPORTED for zstd where Node.js has none.
 */
export function createCompressor(compression: Compression, level?: number): Compressor {
  if (compression === 'none') return { push: (bytes) => Promise.resolve(bytes), end: nothing }
  if (compression === 'gzip')
    return { push: (bytes) => gzip(bytes, { level: level ?? 4, chunkSize: CHUNK }), end: nothing }
  if (!hasZstd(zlib)) throw new SluiceError('UNSUPPORTED', zstdMissing)
  const params = { [zlib.constants.ZSTD_c_compressionLevel]: level ?? 3 }
  return streamCompressor(zlib.createZstdCompress({ params, chunkSize: CHUNK }))
}

/** Why this Node.js cannot write a compression; undefined when it can. */
export function compressionProblem(compression: Compression): string | undefined {
  return compression === 'zstd' && !hasZstd(zlib) ? zstdMissing : undefined
}

/** What was compressed. @throws SluiceError UNSUPPORTED for zstd where Node.js has none; what is not whole fails with the library's own error. */
export function unpack(bytes: Readable, compression: Compression): Readable {
  if (compression === 'none') return bytes
  if (compression === 'gzip') return pipeline(bytes, zlib.createGunzip(), ignore)
  if (!hasZstd(zlib)) throw new SluiceError('UNSUPPORTED', zstdMissing)
  return pipeline(bytes, zlib.createZstdDecompress(), ignore)
}

/** The reader of what comes out meets every error. */
function ignore(): void {}

function nothing(): Promise<Buffer> {
  return Promise.resolve(Buffer.alloc(0))
}

const zstdMissing = `zstd needs Node.js 22.15 or later, this is ${process.version}: use gzip`
const CHUNK = 256 * 1024

const gzip = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gzip)

/** What Node.js 20 does not have. */
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
