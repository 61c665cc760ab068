import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { appendFile, mkdir, rename, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { SluiceError } from '../../../src/errors.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { linesOf, positionsOf, read } from './read-file.ts'
import { plan, readPart, readParts } from './read-parts.ts'

const lines = Array.from({ length: 4000 }, (_, id) => JSON.stringify({ id, text: 'x'.repeat(40) }))
const text = `${lines.join('\n')}\n`

async function partsOf(path: string | string[], options: Parameters<typeof plan>[1]) {
  const found = []
  for await (const part of plan(path, options)) found.push(part)
  return found
}

test('a large plain file becomes ranges of about the wanted size, each a number of whole lines', async (t) => {
  const file = join(await temporaryFolder(t), 'a.ndjson')
  await writeFile(file, text)
  const parts = await partsOf(file, { partBytes: 20_000 })
  assert.equal(parts.length, Math.round(text.length / 20_000))
  for (const { bytes, format } of parts) {
    assert.ok(Math.abs(bytes - 20_000) < 1000, `a part of ${bytes} bytes`)
    assert.equal(format, 'ndjson')
  }
  assert.equal((await partsOf(file, { partBytes: text.length })).length, 1)
})

test('small files and files that cannot be cut are one part each, in the order of one reading', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'a.json'), '{"id":1}')
  await writeFile(join(folder, 'b.ndjson.gz'), gzipSync(text))
  await writeFile(join(folder, 'c.json'), `[${lines.join(',')}]`)
  await writeFile(join(folder, 'd.json'), '')
  const { parts, chunks } = await readParts(folder, { partBytes: 1000 })
  assert.deepEqual(
    parts.map(({ input, bytes, compression }) => [input.slice(folder.length), bytes, compression]),
    [
      ['/a.json', 8, undefined],
      ['/b.ndjson.gz', gzipSync(text).length, 'gzip'],
      ['/c.json', lines.join(',').length + 2, undefined],
    ],
  )
  assert.deepEqual(linesOf(chunks), linesOf((await read(folder)).chunks))
})

test('a rejected line of a range is counted from a byte that its origin names', async (t) => {
  const file = join(await temporaryFolder(t), 'a.ndjson')
  const long = JSON.stringify({ long: 'y'.repeat(300) })
  await writeFile(file, [...lines.slice(0, 10), long, ...lines.slice(10), long, ''].join('\n'))
  const { chunks } = await readParts(file, { partBytes: 100_000, maxLine: 200 })
  const rejected = chunks.flatMap(({ origin, skipped = [] }) =>
    skipped.map(({ line }) => ({ name: origin?.name, line })),
  )
  assert.equal(rejected.length, 2)
  assert.deepEqual(rejected[0], { name: file, line: 11 })
  const [, from] = / from byte (\d+)$/.exec(rejected[1].name ?? '') ?? []
  // As the documentation says.
  const command = `tail -c +${Number(from) + 1} '${file}' | sed -n ${rejected[1].line}p`
  assert.equal(execFileSync('sh', ['-c', command]).toString(), `${long}\n`)
})

test('a grown file is read as it was planned, and continued by the next run', async (t) => {
  const file = join(await temporaryFolder(t), 'a.ndjson')
  await writeFile(file, text + '{"half":')
  const between = () => appendFile(file, '1}\n{"id":"new"}\n')
  const { chunks, positions, error } = await readParts(file, { partBytes: 50_000, between })
  assert.equal(error, undefined)
  assert.deepEqual(linesOf(chunks), lines)
  assert.equal(chunks.filter(({ unfinished }) => unfinished).length, 1)
  const rest = await read(file, { positions })
  assert.deepEqual(linesOf(rest.chunks), ['{"half":1}', '{"id":"new"}'])
  assert.equal(rest.chunks[0]?.origin?.line, lines.length + 1)
})

test('a file that was rotated since it was planned is read under its new name', async (t) => {
  const file = join(await temporaryFolder(t), 'a.log')
  await writeFile(file, text)
  const between = async () => {
    await rename(file, `${file}.1`)
    await writeFile(file, '{"id":"the next log"}\n')
  }
  const { chunks, error } = await readParts(file, { partBytes: 50_000, between })
  assert.equal(error, undefined)
  assert.deepEqual(linesOf(chunks), lines)
})

const changes: { readonly [how: string]: (file: string) => Promise<void> } = {
  'replaced by another one': (file) => writeFile(file, text.replaceAll('x', 'y')),
  'cut short': (file) => truncate(file, text.length - 1),
  'edited in its middle': (file) =>
    writeFile(file, text.replace('"id":2000', '"id":2000, "edited":true') + 'x'.repeat(99)),
  'truncated by a rotation, and filled again': (file) => writeFile(file, `{"id":"new"}\n${text}${text}`),
}

for (const [how, change] of Object.entries(changes)) {
  test(`a part of a file that was ${how} fails, and names the file and the way out`, async (t) => {
    const file = join(await temporaryFolder(t), 'a.ndjson')
    await writeFile(file, text)
    const parts = await partsOf(file, { partBytes: 50_000 })
    await change(file)
    const failures = []
    for (const part of parts) {
      const found = []
      try {
        for await (const chunk of readPart(file, part)) found.push(chunk)
        assert.ok(linesOf(found).every((line) => lines.includes(line)))
      } catch (error) {
        assert.ok(error instanceof SluiceError)
        assert.equal(error.code, 'INPUT_CORRUPT')
        assert.match(error.message, /a\.ndjson" has changed since the backfill was planned/)
        assert.match(error.hint ?? '', /sluice runs cancel/)
        failures.push(error)
      }
    }
    assert.ok(failures.length > 0)
  })
}

test('with --final a file that has grown since it was planned is an error', async (t) => {
  const file = join(await temporaryFolder(t), 'a.ndjson')
  await writeFile(file, text)
  const between = () => appendFile(file, '{"id":"new"}\n')
  const { error } = await readParts(file, { partBytes: 50_000, final: true, between })
  assert.match(String(error), /it has grown although --final says that it is complete/)
})

test('a file of one long line is one part, whatever is read of it to find out', async (t) => {
  const file = join(await temporaryFolder(t), 'a.ndjson')
  await writeFile(file, `{"id":1}\n{"text":"${'x'.repeat(3_000_000)}"}`)
  const parts = await partsOf(file, { partBytes: 100_000 })
  assert.equal(parts.length, 1)
  const { chunks } = await readParts(file, { partBytes: 100_000, maxLine: 1000 })
  assert.deepEqual(linesOf(chunks), ['{"id":1}'])
  assert.equal(chunks.at(-1)?.skipped?.length, 1)
})

test('a large file that is not JSON is refused when it is planned', async (t) => {
  const file = join(await temporaryFolder(t), 'a.ndjson')
  await writeFile(file, Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(300_000, '\n')]))
  const { error } = await readParts(file, { partBytes: 100_000 })
  assert.match(String(error), /is a zip archive, not JSON/)
})

test('inputs that cannot be looked at are reported, and the others are planned', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'a.json'), '{"id":1}')
  await writeFile(join(folder, 'z.json'), Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(300_000, '\n')]))
  const failed: string[] = []
  const paths = [join(folder, 'missing.json'), folder]
  const inputFailed = ({ input, error }: { input: string; error: SluiceError }) => {
    failed.push(`${input.slice(folder.length)} ${error.code}`)
  }
  const parts = await partsOf(paths, { partBytes: 100_000, inputFailed })
  assert.deepEqual(failed, ['/missing.json FILE_NOT_FOUND', '/z.json INPUT_CORRUPT'])
  assert.equal(parts.length, 1)
})

test('a damaged file yields its good part, and a complete copy of it is continued there', async (t) => {
  const folder = await temporaryFolder(t)
  await mkdir(join(folder, 'in'))
  const file = join(folder, 'in', 'a.ndjson.gz')
  const whole = gzipSync(text)
  await writeFile(file, whole.subarray(0, whole.length / 2))
  await writeFile(join(folder, 'in', 'b.json'), '{"id":"b"}')
  const damaged: (number | undefined)[] = []
  const inputFailed = ({ line }: { line?: number | undefined }) => void damaged.push(line)
  const first = await readParts(join(folder, 'in'), { partBytes: 1000, inputFailed })
  assert.equal(first.error, undefined)
  const good = linesOf(first.chunks).slice(0, -1)
  assert.deepEqual(damaged, [good.length])
  await writeFile(join(folder, 'complete'), whole)
  await rename(join(folder, 'complete'), file)
  const rest = await readParts(join(folder, 'in'), { partBytes: 1000, positions: first.positions })
  assert.deepEqual([...good, ...linesOf(rest.chunks)], lines)
})

test('standard input and pipes are not divided, and the error says what to do', async (t) => {
  const pipe = join(await temporaryFolder(t), 'pipe')
  execFileSync('mkfifo', [pipe])
  for (const path of ['-', pipe]) {
    const { error } = await readParts(path, { partBytes: 1000 })
    assert.ok(error instanceof SluiceError)
    assert.equal(error.code, 'UNSUPPORTED')
    assert.match(error.hint ?? '', /--workers 1/)
  }
})

test('what a serial run has read is not planned, also when its state is of another file', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'a.ndjson'), text)
  await writeFile(join(folder, 'b.ndjson'), text)
  const positions = positionsOf((await read(join(folder, 'a.ndjson'))).chunks)
  const parts = await partsOf(folder, { partBytes: 100_000, positions })
  assert.ok(parts.length > 1 && parts.every(({ input }) => input.endsWith('b.ndjson')))
})

test('a stored part of another version is refused with a way out', async (t) => {
  const file = join(await temporaryFolder(t), 'a.ndjson')
  await writeFile(file, text)
  const part = { partition: 'x', input: file, bytes: 1, detail: { offset: 3 } }
  await assert.rejects(readPart(file, part)[Symbol.asyncIterator]().next(), { code: 'STATE_MISMATCH' })
})
