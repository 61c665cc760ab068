import { promisify } from 'node:util'
import { constants, crc32, deflateRaw } from 'node:zlib'
import type { ZlibOptions } from 'node:zlib'
import type { Compressor } from './compressor.ts'

/**
 * Writes one gzip member, in parallel, as pigz does. Each push is compressed on its own, as deflate
 * blocks that end at the border of a byte and are not the last ones, so they can be joined in order.
 * Header, checksum and length are of the whole. Many readers (`zlib` of Python and Perl, for
 * example) silently stop after the first member, so there must not be a second one. Between two
 * pushes the compressor needs no memory.
 */
export function createGzip(options: ZlibOptions): Compressor {
  const blockOptions = { ...options, finishFlush: constants.Z_SYNC_FLUSH }
  let header = HEADER
  let crc = 0
  let bytes = 0
  const takeHeader = (): Buffer => {
    const taken = header
    header = NOTHING
    return taken
  }
  return {
    async push(input) {
      const start = takeHeader()
      crc = crc32(input, crc)
      bytes += input.length
      const blocks = await deflate(input, blockOptions)
      return start.length === 0 ? blocks : Buffer.concat([start, blocks])
    },
    end() {
      const checks = Buffer.alloc(8)
      checks.writeUInt32LE(crc, 0)
      checks.writeUInt32LE(bytes % 2 ** 32, 4)
      return Promise.resolve(Buffer.concat([takeHeader(), LAST_BLOCK, checks]))
    },
  }
}

/** Deflate, no flags, no time, unknown system: the same input gives the same bytes everywhere. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff])
/** An empty block that is marked as the last one. */
const LAST_BLOCK = Buffer.from([3, 0])
const NOTHING = Buffer.alloc(0)

const deflate = promisify<Buffer, ZlibOptions, Buffer>(deflateRaw)
