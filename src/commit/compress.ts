import zlib from 'node:zlib'
import { SluiceError } from '../errors.ts'

export type Compression = 'none' | 'gzip' | 'zstd'
export const compressions = ['none', 'gzip', 'zstd'] as const

/** What follows the name of an object. */
export const endings = { none: '.ndjson', gzip: '.ndjson.gz', zstd: '.ndjson.zst' } as const satisfies {
  [name in Compression]: string
}

/** Makes one gzip member or zstd frame, which readers take one behind the other; on the thread pool. */
export type Compress = (bytes: Buffer) => Promise<Buffer>

/**
 * @param level default 4 for gzip: on audit events objects a fifth smaller than at 1 to 3, at nine tenths of the speed; 3 for zstd, its own default.
 * @throws SluiceError UNSUPPORTED for zstd where Node.js has none.
 */
export function createCompress(compression: Compression, level?: number): Compress {
  if (compression === 'none') return (bytes) => Promise.resolve(bytes)
  if (compression === 'gzip') {
    return (bytes) => call((done) => zlib.gzip(bytes, { level: level ?? 4, chunkSize: CHUNK }, done))
  }
  if (!hasZstd(zlib)) throw new SluiceError('UNSUPPORTED', zstdMissing)
  const zstd = zlib
  const params = { [zstd.constants.ZSTD_c_compressionLevel]: level ?? 3 }
  return (bytes) => call((done) => zstd.zstdCompress(bytes, { params, chunkSize: CHUNK }, done))
}

/** Why this Node.js cannot write a compression; undefined when it can. */
export function compressionProblem(compression: Compression): string | undefined {
  return compression === 'zstd' && !hasZstd(zlib) ? zstdMissing : undefined
}

const zstdMissing = `zstd needs Node.js 22.15 or later, this is ${process.version}: use gzip`
const CHUNK = 256 * 1024

/** What Node.js 20 does not have. */
interface Zstd {
  zstdCompress(
    bytes: Buffer,
    options: { params: { [name: number]: number }; chunkSize: number },
    done: (error: Error | null, bytes: Buffer) => void,
  ): void
  constants: { ZSTD_c_compressionLevel: number }
}

function hasZstd(library: object): library is Zstd {
  return 'zstdCompress' in library
}

function call(start: (done: (error: Error | null, bytes: Buffer) => void) => void): Promise<Buffer> {
  return new Promise((resolve, reject) => start((error, bytes) => (error ? reject(error) : resolve(bytes))))
}
