import assert from 'node:assert/strict'
import { appendFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { SluiceError } from '../../../src/errors.ts'
import { compressions, linesOf, positionsOf, read } from './read-file.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const records = ['{"id":1,"name":"é€"}', '{"id":2,"text":"a\\"}\\\\"}', '{"id":3,"list":[{"x":null},12]}']
const pretty = records.map((record) => JSON.stringify(JSON.parse(record), null, 2))

/** All forms that a growing file can have. */
const forms: ReadonlyMap<string, string> = new Map([
  ['NDJSON', `${records.join('\n')}\n`],
  ['NDJSON without the last line feed', records.join('\n')],
  ['NDJSON of Windows', `\ufeff${records.join('\r\n')}\r\n`],
  ['NDJSON with NUL bytes and byte order marks', `\0\0${records.join('\0\n\0\ufeff')}\n\0\0\0`],
  ['an array', `[${records.join(',')}]`],
  ['a pretty-printed array', `\ufeff[\n${pretty.join(',\n')}\n]\n`],
  ['pretty-printed objects', `${pretty.join('\n')}\n`],
  ['a single object', pretty[2] ?? ''],
])

for (const [form, text] of forms) {
  test(`no record is lost or damaged when ${form} is read between any two bytes of it`, async (t) => {
    const name = join(await temporaryFolder(t), 'growing.json')
    const bytes = Buffer.from(text)
    const expected = form === 'a single object' ? records.slice(2) : records
    for (let cut = 0; cut <= bytes.length; cut++) {
      await writeFile(name, bytes.subarray(0, cut))
      const first = await read(name)
      await appendFile(name, bytes.subarray(cut))
      const second = await read(name, { positions: positionsOf(first.chunks) })
      assert.equal(first.error, undefined, `cut at ${cut}`)
      assert.equal(second.error, undefined, `cut at ${cut}`)
      const lines = [...linesOf(first.chunks), ...linesOf(second.chunks)].map((line) => line.trim())
      assert.deepEqual(
        lines.filter((line) => line !== ''),
        expected,
        `cut at ${cut}`,
      )
      // Nothing of a complete file is read again.
      const positions = positionsOf([...first.chunks, ...second.chunks])
      assert.deepEqual(linesOf((await read(name, { positions })).chunks), [], `cut at ${cut}`)
    }
  })
}

test('says where a file ends within a record, once for each run, and how to read it', async (t) => {
  const name = join(await temporaryFolder(t), 'half.ndjson')
  await writeFile(name, '{"id":1}\n{"id":2,"x":"ab')
  const first = await read(name)
  assert.deepEqual(linesOf(first.chunks), ['{"id":1}'])
  assert.equal(first.notes.length, 1)
  assert.match(first.notes[0] ?? '', /ends within a record.*next run.*--final/)
  assert.deepEqual(
    first.chunks.map(({ unfinished = false }) => unfinished),
    [true],
  )
  const positions = positionsOf(first.chunks)
  const again = await read(name, { positions })
  assert.deepEqual([linesOf(again.chunks), again.notes.length], [[], 1])
  const last = await read(name, { positions, final: true })
  assert.deepEqual([linesOf(last.chunks), last.notes], [['{"id":2,"x":"ab'], []])
  assert.deepEqual(await read(name, { positions: positionsOf(last.chunks) }), { chunks: [], notes: [] })
})

test('a complete input with a broken last line yields it: compressed ones, and any with --final', async (t) => {
  const folder = await temporaryFolder(t)
  for (const [ending, compress] of compressions) {
    const name = join(folder, `half.ndjson${ending}`)
    await writeFile(name, compress(Buffer.from('{"id":1}\n{"id":2')))
    const { chunks, notes } = await read(name, { final: ending === '' })
    assert.deepEqual([linesOf(chunks), notes], [['{"id":1}', '{"id":2'], []], ending)
  }
  const name = join(folder, 'half.json')
  await writeFile(name, '[{"id":1},{"id":2')
  const { chunks, error } = await read(name, { final: true })
  assert.deepEqual(linesOf(chunks), ['{"id":1}'])
  assert.ok(error instanceof SluiceError && error.code === 'INPUT_CORRUPT')
})

const reserve = (text: string) => Buffer.concat([Buffer.from(text), Buffer.alloc(5000 - text.length)])

test('space that is reserved with NUL bytes and filled later is read', async (t) => {
  const name = join(await temporaryFolder(t), 'reserved.log')
  await writeFile(name, Buffer.alloc(5000))
  const empty = await read(name)
  assert.deepEqual([linesOf(empty.chunks), empty.notes.length], [[], 1])
  const chunks = [...empty.chunks]
  const seen: string[] = []
  for (const text of [
    '{"id":1}\n',
    '{"id":1}\n{"id":2}',
    '{"id":1}\n{"id":2}\n{"id"',
    '{"id":1}\n{"id":2}\n{"id":3}\n',
  ]) {
    await writeFile(name, reserve(text))
    const reading = await read(name, { positions: positionsOf(chunks) })
    seen.push(...linesOf(reading.chunks))
    chunks.push(...reading.chunks)
  }
  assert.deepEqual(seen, ['{"id":1}', '{"id":2}', '{"id":3}'])
})

test('NUL bytes and byte order marks are skipped, counted and logged once for each file', async (t) => {
  const folder = await temporaryFolder(t)
  for (const [ending, compress] of compressions) {
    const name = join(folder, `a.ndjson${ending}`)
    // A byte order mark at the start of a later member; NUL bytes as copytruncate leaves them.
    const parts = ['\ufeff{"id":1}\n', '\ufeff{"id":2}\n', `${'\0'.repeat(3 << 20)}{"id":3}\n\ufeff`]
    await writeFile(name, Buffer.concat(parts.map((part) => compress(Buffer.from(part)))))
    const { chunks, notes, error } = await read(name, { maxLine: 1 << 16 })
    assert.equal(error, undefined)
    assert.deepEqual(linesOf(chunks), ['{"id":1}', '{"id":2}', '{"id":3}'], ending)
    assert.equal(notes.length, 1)
    assert.ok(chunks.every(({ skipped }) => skipped === undefined))
  }
})
