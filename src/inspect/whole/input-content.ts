import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { Readable } from 'node:stream'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { createCompressor } from '../../compression/compress.ts'
import { detectCompression } from '../../compression/detect.ts'
import type { PipelineTest } from '../../config/pipeline.ts'

type Content = Pick<NonNullable<PipelineTest['files']>[number], 'lines' | 'json' | 'file'>

/**
 * The bytes of a file or an object of a test. They are compressed if its name says so, and a fixture is
 * not compressed already: a damaged one stays as it is.
 * @param name its name, or its key
 * @throws SluiceError UNSUPPORTED for `.zst`, if this Node.js does not support it
 */
export async function contentOf({ lines, json, file }: Content, name: string, test: { path: string }): Promise<Buffer> {
  if (file !== undefined) {
    const bytes = await readFile(resolve(dirname(test.path), file))
    const isCompressed = file.endsWith('.br') || detectCompression(bytes, file) !== undefined
    return isCompressed ? bytes : compressed(bytes, name)
  }
  return compressed(Buffer.from(lines === undefined ? JSON.stringify(json) : textOf(lines)), name)
}

/** Lines of NDJSON. */
export function textOf(lines: NonNullable<Content['lines']>): string {
  return lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join('')
}

async function compressed(bytes: Buffer, name: string): Promise<Buffer> {
  if (name.endsWith('.gz')) return gzipSync(bytes)
  if (name.endsWith('.br')) return brotliCompressSync(bytes)
  if (!name.endsWith('.zst')) return bytes
  const compressor = createCompressor('zstd')
  const parts = [await compressor.push(bytes), await compressor.end()]
  return buffer(Readable.from(parts))
}
