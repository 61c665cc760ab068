import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { constants, gunzipSync, gzipSync } from 'node:zlib'
import { SluiceError } from '../../../src/errors.ts'
import { compressions, linesOf, positionsOf, read, sampleEvents } from './read-file.ts'
import type { Reading } from './read-file.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const events = await sampleEvents()

/** Text that compresses badly, so that there are many places to damage. */
const lines = Array.from({ length: 300 }, (_, i) =>
  JSON.stringify({ id: createHash('sha256').update(String(i)).digest('hex'), event: events[i % events.length] }),
)
const text = `${lines.join('\n')}\n`

test('truncated gzip yields exactly the whole lines before the cut, then an error that names the file', async (t) => {
  const folder = await temporaryFolder(t)
  const whole = gzipSync(text)
  for (const end of places(3, whole.length - 1, 40)) {
    const cut = whole.subarray(0, end)
    const before = gunzipSync(cut, { finishFlush: constants.Z_SYNC_FLUSH }).toString()
    const reading = await readBytes(join(folder, `cut-${end}.ndjson.gz`), cut)
    assert.deepEqual(linesOf(reading.chunks), wholeLines(before), `cut at ${end}`)
    assertCorrupt(reading, new RegExp(`cut-${end}\\.ndjson\\.gz" is damaged: as gzip it is cut short at byte ${end}$`))
  }
})

test('a truncated array in gzip yields exactly the whole elements before the cut', async (t) => {
  const folder = await temporaryFolder(t)
  const whole = gzipSync(`[${lines.join(',')}]`)
  for (const end of places(20, whole.length - 1, 20)) {
    const cut = whole.subarray(0, end)
    const before = gunzipSync(cut, { finishFlush: constants.Z_SYNC_FLUSH }).toString()
    const reading = await readBytes(join(folder, `cut-${end}.json.gz`), cut)
    const given = linesOf(reading.chunks)
    const expected = lines.filter((_, at) => before.startsWith(`[${lines.slice(0, at + 1).join(',')}`))
    assert.deepEqual(given, expected, `cut at ${end}`)
    assertCorrupt(reading, /is damaged: as gzip it is cut short/)
  }
})

test('damaged gzip yields all whole lines before the damage, also within one read', async (t) => {
  const folder = await temporaryFolder(t)
  const whole = gzipSync(text)
  let found = 0
  for (const place of places(20, whole.length - 8, 40)) {
    const damaged = Buffer.from(whole)
    damaged[place] = ~(damaged[place] ?? 0) & 0xff
    const before = gunzipSync(whole.subarray(0, place), { finishFlush: constants.Z_SYNC_FLUSH }).toString()
    const reading = await readBytes(join(folder, `damaged-${place}.ndjson.gz`), damaged)
    const expected = wholeLines(before)
    assert.deepEqual(linesOf(reading.chunks).slice(0, expected.length), expected, `damaged at ${place}`)
    assertCorrupt(
      reading,
      new RegExp(`damaged-${place}\\.ndjson\\.gz" is damaged: as gzip it is (damaged near|cut short at) byte \\d+$`),
    )
    found += expected.length
  }
  assert.ok(found > lines.length)
})

test('a wrong checksum is reported after all lines', async (t) => {
  const bytes = gzipSync(text)
  bytes[bytes.length - 6] = ~(bytes.at(-6) ?? 0) & 0xff
  const reading = await readBytes(join(await temporaryFolder(t), 'x.ndjson.gz'), bytes)
  assert.deepEqual(linesOf(reading.chunks), lines)
  assertCorrupt(reading, /damaged near byte/)
})

for (const [ending, compress] of compressions) {
  if (ending === '') continue
  const whole = compress(Buffer.from(text))

  test(`concatenates several ${ending} members, with or without zeros between and after them`, async (t) => {
    const folder = await temporaryFolder(t)
    const half = text.indexOf('\n', text.length / 2) - 7
    const parts = [text.slice(0, half), text.slice(half)].map((part) => compress(Buffer.from(part)))
    for (const gap of [0, 1, 600]) {
      const zeros = Buffer.alloc(gap)
      const bytes = Buffer.concat(parts.flatMap((part) => [part, zeros]))
      const { chunks, error } = await readBytes(join(folder, `x.ndjson${ending}`), bytes)
      assert.equal(error, undefined)
      assert.deepEqual(linesOf(chunks), lines)
    }
  })

  test(`other bytes after ${ending} are reported after all lines before them`, async (t) => {
    const folder = await temporaryFolder(t)
    for (const garbage of [Buffer.from('garbage'), Buffer.alloc(900_000, 'garbage'), Buffer.from('\0\0garbage')]) {
      const reading = await readBytes(join(folder, `x.ndjson${ending}`), Buffer.concat([whole, garbage]))
      assert.deepEqual(linesOf(reading.chunks), lines)
      assertCorrupt(reading, /x\.ndjson\.\w+" is damaged: as \w+ it is (damaged near|cut short at) byte \d+$/)
    }
  })

  test(`detects truncated ${ending} at every length`, async (t) => {
    const folder = await temporaryFolder(t)
    for (const end of places(6, whole.length - 1, 25)) {
      const reading = await readBytes(join(folder, `x.ndjson${ending}`), whole.subarray(0, end))
      const given = linesOf(reading.chunks)
      assert.deepEqual(given, lines.slice(0, given.length), `cut at ${end}`)
      assertCorrupt(reading, new RegExp(`is cut short at byte ${end}$`))
    }
  })

  test(`damage in a large ${ending} file is reported after everything before it`, async (t) => {
    const folder = await temporaryFolder(t)
    const large = compress(Buffer.from(text.repeat(20)))
    const bytes = Buffer.concat([large, large, large])
    // The start of the second member is damaged: exactly the first member is yielded.
    bytes.fill(0xff, large.length, large.length + 200)
    const reading = await readBytes(join(folder, `x.ndjson${ending}`), bytes)
    assert.equal(linesOf(reading.chunks).length, 20 * lines.length)
    assertCorrupt(reading, /is damaged/)
  })
}

test('refuses zstd by name if this Node.js cannot read it', { skip: compressions.has('.zst') }, async (t) => {
  const bytes = Buffer.from('28b52ffd20010900000a', 'hex')
  const { error } = await readBytes(join(await temporaryFolder(t), 'x.ndjson.zst'), bytes)
  assert.ok(error instanceof SluiceError && error.code === 'UNSUPPORTED')
  assert.ok(error.message.includes(process.version))
  assert.match(error.message, /x\.ndjson\.zst/)
})

test('a file that is brotli only by name is an error that says so', async (t) => {
  const reading = await readBytes(join(await temporaryFolder(t), 'x.ndjson.br'), Buffer.from(text))
  const { hint } = assertCorrupt(reading, /x\.ndjson\.br" is damaged: as brotli/)
  assert.match(hint ?? '', /because of its name/)
})

for (const [ending, compress] of compressions) {
  test(`resumes a truncated array${ending} at the cut once the file is complete`, async (t) => {
    const name = join(await temporaryFolder(t), `x.json${ending}`)
    const whole = compress(Buffer.from(`[${lines.join(',\n')}]`))
    await writeFile(name, whole.subarray(0, whole.length * 0.9))
    const first = await read(name, { final: true })
    assertCorrupt(first, /is damaged/)
    await writeFile(name, whole)
    const second = await read(name, { positions: positionsOf(first.chunks) })
    assert.equal(second.error, undefined)
    assert.deepEqual([...linesOf(first.chunks), ...linesOf(second.chunks)], lines)
    assert.ok(linesOf(first.chunks).length > 10)
  })
}

function assertCorrupt({ error }: Reading, message: RegExp): SluiceError {
  assert.ok(error instanceof SluiceError, String(error))
  assert.equal(error.code, 'INPUT_CORRUPT')
  assert.match(error.message, message)
  return error
}

async function readBytes(name: string, bytes: Buffer): Promise<Reading> {
  await writeFile(name, bytes)
  return read(name)
}

function wholeLines(content: string): string[] {
  return content.split('\n').slice(0, -1)
}

/** `count` offsets between two bounds, both included. */
function places(from: number, to: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => from + Math.floor(((to - from) * i) / (count - 1)))
}
