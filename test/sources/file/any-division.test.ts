import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Chunk } from '../../../src/record/chunk.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { compressions, linesOf, positionsOf, read } from './read-file.ts'
import type { ReadingOptions } from './read-file.ts'
import { readParts } from './read-parts.ts'

const MAX_LINE = 60

const record = fc.oneof(
  { weight: 6, arbitrary: fc.nat(99).map((id) => `{"id":${id}}`) },
  { weight: 1, arbitrary: fc.nat(300).map((length) => `{"long":"${'x'.repeat(MAX_LINE - 20 + length)}"}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', ' ', '{"cut', 'no JSON', '{"text":"é€😀\\n"}', `${' '.repeat(90)}{"a":1}`),
  },
)
/** What files hold between two records, by intention or by accident. */
const border = fc.oneof(
  { weight: 3, arbitrary: fc.constant('\n') },
  fc.constantFrom('\r\n', '\n\n', ' \n', '\0', '\0\0\0\n', '\0 \r\n\n', '\n\ufeff', '\n\0\0', '\ufeff\n', '\r\n\r\n'),
)
const content = fc
  .tuple(
    fc.constantFrom('', '', '\ufeff', '\n', '\0'),
    fc.array(
      fc.tuple(record, border).map((both) => both.join('')),
      { minLength: 1, maxLength: 30 },
    ),
    fc.constantFrom('', '{"id":99}', '{"id":99,"half', '\0\0\0'),
  )
  .map(([start, lines, end]) => Buffer.from(start + lines.join('') + end))

/** What a reading yields: lines, and the number and digest of each line that is too long. */
function contentOf(chunks: readonly Chunk[], linesBefore = new Map<string, number>()) {
  return {
    lines: linesOf(chunks).filter((line) => line.trim() !== ''),
    skipped: chunks.flatMap(({ origin, skipped = [] }) =>
      skipped.map(({ digest, line }) => `${digest} ${line + (linesBefore.get(origin?.name ?? '') ?? 0)}`),
    ),
    unfinished: chunks.filter(({ unfinished }) => unfinished).length,
    sourceBytes: chunks.reduce((sum, { sourceBytes = 0 }) => sum + sourceBytes, 0),
  }
}

/** Compares a reading of all with one that is divided. `before`: bytes that an earlier run has read. */
async function compare(
  file: string,
  { bytes, before, partBytes, ...options }: ReadingOptions & { bytes: Buffer; before: number; partBytes: number },
) {
  await writeFile(file, bytes.subarray(0, before))
  const positions = positionsOf((await read(file, options)).chunks)
  await writeFile(file, bytes)
  const serial = await read(file, { ...options, positions })
  const divided = await readParts(file, { ...options, positions, partBytes })
  assert.deepEqual(divided.error, serial.error)
  assert.deepEqual(contentOf(divided.chunks, divided.linesBefore), contentOf(serial.chunks))
  if (serial.error !== undefined) return divided.parts
  assert.deepEqual(divided.positions, new Map([...positions, ...positionsOf(serial.chunks)]))
  const planned = divided.parts.reduce((sum, part) => sum + part.bytes, 0)
  assert.equal(planned, contentOf(serial.chunks).sourceBytes)
  return divided.parts
}

for (const final of [false, true]) {
  test(`any division of any file yields what one reading does${final ? ', with --final' : ''}`, async (t) => {
    const folder = await temporaryFolder(t)
    let files = 0
    const format = fc.constantFrom('auto', 'auto', 'ndjson' as const)
    const property = fc.asyncProperty(content, format, fc.nat(99), fc.nat(400), async (bytes, form, share, size) => {
      const before = Math.floor((bytes.length * Math.max(0, share - 50)) / 50)
      const options = { maxLine: MAX_LINE, final, format: form, bytes, before }
      for (const partBytes of [1, 1 + size]) await compare(join(folder, `${files++}.ndjson`), { ...options, partBytes })
    })
    await fc.assert(property, { numRuns: 40 })
  })
}

const lines = Array.from({ length: 50 }, (_, id) => JSON.stringify({ id }))
const forms: readonly { readonly name: string; readonly text: string; readonly records?: string }[] = [
  { name: 'an array', text: `[${lines.join(',\n')}]` },
  { name: 'an array that is cut off', text: `[${lines.join(',\n')}` },
  { name: 'pretty-printed objects', text: lines.map((line) => line.replace('{', '{\n')).join('\n') },
  { name: 'a document', text: `{"data":{"records":[\n${lines.join(',\n')}\n]}}`, records: 'data.records' },
  { name: 'a parsed document', text: `{"data":{"records":[\n${lines.join(',\n')}\n]}}`, records: 'data.*[*]' },
  { name: 'documents on lines', text: lines.map((line) => `{"a":[${line}]}`).join('\n'), records: 'a' },
  { name: 'text', text: 'a\nb\nc\n' },
]

for (const { name, text, records } of forms) {
  test(`${name} is one part, and yields what one reading does`, async (t) => {
    const file = join(await temporaryFolder(t), 'a.json')
    for (const before of [0, 100]) {
      const bytes = Buffer.from(text)
      const parts = await compare(file, { bytes, before, partBytes: 64, ...(records !== undefined && { records }) })
      assert.equal(parts.length, 1)
    }
  })
}

for (const [ending, compress] of compressions) {
  if (ending === '') continue
  test(`a file with ${ending} is one part, and yields what one reading does`, async (t) => {
    const folder = await temporaryFolder(t)
    const bytes = compress(Buffer.from(lines.join('\n')))
    const damaged = Buffer.concat([bytes.subarray(0, bytes.length - 20), Buffer.from('damage')])
    for (const [at, stored] of [bytes, damaged].entries()) {
      const parts = await compare(join(folder, `${at}.ndjson${ending}`), { bytes: stored, before: 0, partBytes: 8 })
      assert.deepEqual(
        parts.map((part) => part.compression),
        [{ '.gz': 'gzip', '.br': 'brotli', '.zst': 'zstd' }[ending]],
      )
    }
  })
}
