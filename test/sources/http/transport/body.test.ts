import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { openSource, QUICK, readSource, startServer } from '../read-source.ts'
import type { Reading } from '../read-source.ts'

/** Lines that compress badly, so that there are many places to cut. */
const lines = Array.from({ length: 100 }, (_, id) => `{"id":${id},"hash":"${hashOf(id)}"}`)
const halves = [lines.slice(0, 50), lines.slice(50)].map((half) => `${half.join('\n')}\n`)
const encodings = [
  ['gzip', gzipSync],
  ['br', brotliCompressSync],
] as const

for (const [encoding, compress] of encodings) {
  const [first, second] = halves.map((half) => compress(half))

  for (const padding of [0, 1, 700]) {
    test(`concatenates two ${encoding} streams with ${padding} zeros between and after them`, async (t) => {
      const zeros = Buffer.alloc(padding)
      const reading = await readBody(t, encoding, Buffer.concat([first, zeros, second, zeros]))
      assert.equal(reading.error, undefined)
      assert.deepEqual(reading.lines, lines)
    })
  }

  test(`other bytes after ${encoding} are damage`, async (t) => {
    const reading = await readBody(t, encoding, Buffer.concat([first, Buffer.from('something else')]))
    assert.equal(reading.error?.code, 'SOURCE_UNAVAILABLE')
    assert.match(reading.error.message, /the response is damaged: it is (damaged near|cut short at) byte \d+/)
  })

  test(`detects a truncated ${encoding} body at every length, even zero`, async (t) => {
    for (const end of [0, 1, 9, first.length >> 1, first.length - 9, first.length - 1]) {
      const reading = await readBody(t, encoding, first.subarray(0, end))
      assert.equal(reading.error?.code, 'SOURCE_UNAVAILABLE', `cut at ${end}`)
      assert.match(reading.error.message, /cut short/, `cut at ${end}`)
    }
  })

  test(`detects a truncated second ${encoding} stream`, async (t) => {
    for (const end of [1, 5, second.length - 1]) {
      const reading = await readBody(t, encoding, Buffer.concat([first, second.subarray(0, end)]))
      assert.match(reading.error?.message ?? '', /cut short/, `cut at ${end}`)
    }
  })
}

test('detects a wrong gzip checksum', async (t) => {
  const wrong = gzipSync(halves[0])
  wrong[wrong.length - 8] ^= 0xff
  const reading = await readBody(t, 'gzip', wrong)
  assert.match(reading.error?.message ?? '', /the response is damaged: it is damaged near byte \d+/)
})

/** The body ends with its connection, so only its encoding shows whether it is complete. */
async function readBody(t: TestContext, encoding: string, body: Buffer): Promise<Reading> {
  const server = await startServer(t, (_request, response) => {
    response.useChunkedEncodingByDefault = false
    response.writeHead(200, {
      'content-type': 'application/x-ndjson',
      'content-encoding': encoding,
      connection: 'close',
    })
    response.end(body)
  })
  const request = { url: `${server.origin}/events` }
  return readSource(await openSource({ type: 'http', request, ...QUICK, retry: { attempts: 1 } }))
}

function hashOf(id: number): string {
  return createHash('sha256').update(String(id)).digest('hex')
}
