import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import zlib from 'node:zlib'
import { createCompressor } from '../../src/compression/compress.ts'
import { openWorkspace } from '../support/command.ts'
import { scaled } from '../support/scale.ts'

const HEADER = 10
const TRAILER = 8

describe('a gzip object', () => {
  it('is one member, however many blocks it has: one-shot readers silently stop after the first', async (t) => {
    const workspace = await openWorkspace(t)
    const lines = Array.from(
      { length: 20_000 },
      (_, id) => `{"id":${id},"text":"${randomBytes(80).toString('hex')}"}\n`,
    )
    await workspace.write('in.ndjson', lines.join(''))
    await workspace.write('pipelines/p.yaml', PIPELINE)
    await workspace.report(['run', 'p'])
    const [name, ...others] = await readdir(workspace.path('out', 'p'))
    assert.deepEqual(others, [])
    const object = await readFile(join(workspace.path('out', 'p'), name))
    const text = await readMember(object)
    assert.ok(text.length > 3 << 20)
    assert.equal(text.toString(), lines.join(''))
  })

  it('is complete without any bytes, and after pushes that overlap', async () => {
    const empty = createCompressor('gzip')
    assert.equal((await readMember(await empty.end())).length, 0)
    const blocks = Array.from({ length: 9 }, () => randomBytes(200_000))
    const compressor = createCompressor('gzip', 1)
    const parts = await Promise.all(blocks.map((block) => compressor.push(block)))
    const object = Buffer.concat([...parts, await compressor.end()])
    assert.ok((await readMember(object)).equals(Buffer.concat(blocks)))
    assert.ok(zlib.gunzipSync(object).equals(Buffer.concat(blocks)))
  })

  it('counts its length modulo 2^32, with SLUICE_TEST_SCALE beyond that border', async () => {
    const compressor = createCompressor('gzip', 1)
    const block = Buffer.alloc(16 << 20)
    const blocks = Math.min(scaled(2), 257)
    for (let pushed = 0; pushed < blocks; pushed++) await compressor.push(block)
    const end = await compressor.end()
    assert.equal(end.readUInt32LE(end.length - 4), (blocks * block.length) % 2 ** 32)
  })
})

it('a zstd object is one frame', { skip: process.version.startsWith('v20') }, async () => {
  const blocks = Array.from({ length: 5 }, () => randomBytes(300_000))
  const compressor = createCompressor('zstd')
  const parts: Buffer[] = []
  for (const block of blocks) parts.push(await compressor.push(block))
  const object = Buffer.concat([...parts, await compressor.end()])
  // Node's one-shot function reads a single frame.
  const { zstdDecompressSync }: { zstdDecompressSync?: (bytes: Buffer) => Buffer } = zlib as object
  assert.ok(zstdDecompressSync?.(object).equals(Buffer.concat(blocks)))
})

const PIPELINE = `
source:
  type: file
  path: in.ndjson
sink:
  type: file
  path: out
  key: '{pipeline}'
`

/** Reads one member by hand. Fails if its checks are wrong or if anything follows it. */
async function readMember(object: Buffer): Promise<Buffer> {
  assert.deepEqual([...object.subarray(0, 4)], [0x1f, 0x8b, 8, 0])
  const body = object.subarray(HEADER, object.length - TRAILER)
  const inflater = zlib.createInflateRaw()
  inflater.end(body)
  const parts: Buffer[] = []
  for await (const part of inflater) parts.push(part)
  assert.equal(inflater.bytesWritten, body.length, 'the deflate stream ends with the body')
  const text = Buffer.concat(parts)
  assert.equal(object.readUInt32LE(object.length - 8), zlib.crc32(text))
  assert.equal(object.readUInt32LE(object.length - 4), text.length)
  return text
}
