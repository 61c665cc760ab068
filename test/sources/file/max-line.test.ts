import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { compressions, linesOf, read } from './read-file.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const MAX_LINE = 1 << 20

/** A record of so many bytes as it is written, with many lines when it is indented. */
function recordOf(bytes: number): { id: number; list: number[]; text: string } {
  const record = { id: 1, list: Array.from({ length: 40_000 }, (_, at) => at), text: '' }
  const rest = bytes - Buffer.byteLength(JSON.stringify(record))
  return { ...record, text: 'x'.repeat(rest) }
}

const exact = recordOf(MAX_LINE)
const line = JSON.stringify(exact)
const indented = JSON.stringify(exact, null, 8)
const blank = ' '.repeat(2_000_000)

/** Inputs whose records all fit, as they are written. */
const fitting: ReadonlyMap<string, string> = new Map([
  ['a line of exactly the limit', `${line}\n`],
  ['the same of Windows', `${line}\r\n`],
  ['the same without a line feed', line],
  ['the same with a carriage return and without a line feed', `${line}\r`],
  ['the same after a byte order mark', `\ufeff${line}\n`],
  ['the same with blanks around it', `${blank}${line}${blank}\n`],
  ['the same after megabytes of NUL bytes', `${'\0'.repeat(2_000_000)}${line}\n`],
  ['the same after a blank line of megabytes', `${blank}\r\n${line}\n`],
  ['an array with it', `[${line}]`],
  ['an array with it after megabytes of blanks', `${blank}[${blank}${line}${blank}]${blank}`],
  ['an indented array with it', `[\n${indented}\n]\n`],
  ['an indented array of Windows with it', `[\r\n${indented.replaceAll('\n', '\r\n')}\r\n]\r\n`],
  ['indented objects', `${indented}\n`],
  ['indented objects after blank lines of megabytes', `${'\n'.repeat(2_000_000)}${indented}\n`],
])

test('measures a record as it is written: one of exactly the limit is read in every form', async (t) => {
  const folder = await temporaryFolder(t)
  const compress = compressions.get('.gz')
  for (const [form, text] of fitting) {
    for (const final of [true, false]) {
      const name = join(folder, 'x.json')
      await writeFile(name, final ? text : (compress?.(Buffer.from(text)) ?? text))
      const { chunks, error } = await read(name, { maxLine: MAX_LINE, final })
      assert.equal(error, undefined, form)
      const lines = linesOf(chunks).map((one) => one.replace(/^\s+|\s+$/g, ''))
      assert.deepEqual(
        lines.filter((one) => one !== '').map((one) => one.length),
        [line.length],
        form,
      )
      assert.ok(lines.includes(line), form)
      assert.deepEqual(
        chunks.flatMap(({ skipped = [] }) => skipped),
        [],
        form,
      )
    }
  }
})

test('a record of one byte more is too long in every form, and its neighbours are read', async (t) => {
  const name = join(await temporaryFolder(t), 'x.json')
  const long = recordOf(MAX_LINE + 1)
  const text = JSON.stringify(long)
  const small = '{"n":1}'
  for (const form of [
    `${small}\n${text}\n${small}\n`,
    `${small}\r\n${text}\r\n${small}\r\n`,
    `[${small},${text},${small}]`,
    `[${small},\n${JSON.stringify(long, null, 2)},\n${small}]`,
    `${small}\n${blank}${text}\n${small}`,
  ]) {
    await writeFile(name, form)
    const { chunks, error } = await read(name, { maxLine: MAX_LINE })
    assert.equal(error, undefined)
    assert.deepEqual(
      linesOf(chunks).map((one) => one.trim()),
      [small, small],
    )
    const skipped = chunks.flatMap((chunk) => chunk.skipped ?? [])
    assert.deepEqual(
      skipped.map((one) => [one.line, one.length > MAX_LINE]),
      [[2, true]],
    )
  }
})
