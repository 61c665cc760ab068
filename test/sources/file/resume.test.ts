import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { copyFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Json } from '../../../src/record/json/json.ts'
import { compressions, linesOf, positionsOf, read, sampleEvents } from './read-file.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const events = await sampleEvents()

/** About 2 MiB: several chunks. */
const lines = Array.from({ length: 2200 }, (_, i) =>
  JSON.stringify({ i, event: JSON.parse(events[i % events.length] ?? '') as unknown }),
)
const pretty = `[\n${lines.map((line) => JSON.stringify(JSON.parse(line), null, 2)).join(',\n')}\n]\n`
const forms = new Map([
  ['NDJSON', lines.join('\n')],
  ['an array', `[${lines.join(',')}]`],
  ['a pretty-printed array', pretty],
  ['consecutive arrays', `[${lines.slice(0, 1100).join(',')}]\n[${lines.slice(1100).join(',')}]`],
])

for (const [ending, compress] of compressions) {
  for (const [form, text] of forms) {
    test(`reading ${form}${ending && ` as ${ending}`} resumes after any chunk with exactly the rest`, async (t) => {
      const folder = await temporaryFolder(t)
      await writeFile(join(folder, `a.json${ending}`), compress(Buffer.from(text)))
      await writeFile(join(folder, 'b.json'), '{"b":1}')
      const { chunks } = await read(folder)
      assert.ok(chunks.length >= 4)
      assert.deepEqual(linesOf(chunks), [...lines, '{"b":1}'])
      for (let taken = 0; taken <= chunks.length; taken++) {
        const before = chunks.slice(0, taken)
        const rest = await read(folder, { positions: positionsOf(before) })
        assert.deepEqual([...linesOf(before), ...linesOf(rest.chunks)], [...lines, '{"b":1}'])
        assert.deepEqual(rest.notes, [])
        const [next] = rest.chunks
        const number = linesOf(before).length + 1
        if (next?.bytes !== undefined && number <= lines.length) assert.equal(next.origin?.line, number)
      }
    })
  }
}

test('a file that was read to its end yields nothing more, also under another name', async (t) => {
  const folder = await temporaryFolder(t)
  for (const [ending, compress] of compressions)
    await writeFile(join(folder, `x.json${ending}`), compress(Buffer.from('{"a":1}')))
  const { chunks } = await read(folder)
  assert.equal(linesOf(chunks).length, compressions.size)
  const positions = positionsOf(chunks)
  assert.deepEqual((await read(folder, { positions })).chunks, [])
  await rename(join(folder, 'x.json'), join(folder, 'y.log'))
  assert.deepEqual(await read(folder, { positions }), { chunks: [], notes: [] })
})

test('resumes a renamed file', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'x.json'), lines.join('\n'))
  const { chunks } = await read(folder)
  await rename(join(folder, 'x.json'), join(folder, 'x.json.1.log'))
  const rest = await read(folder, { positions: positionsOf(chunks.slice(0, 2)) })
  assert.deepEqual([...linesOf(chunks.slice(0, 2)), ...linesOf(rest.chunks)], lines)
  assert.match(rest.chunks[0]?.origin?.name ?? '', /x\.json\.1\.log$/)
})

for (const [ending, compress] of compressions) {
  test(`a growing file${ending && ` (${ending})`} yields exactly the added lines, each time`, async (t) => {
    const name = join(await temporaryFolder(t), `x.ndjson${ending}`)
    let positions: ReadonlyMap<string, Json> = new Map()
    let written = 0
    // Small sizes first: the identity of a file shorter than 4 KiB must survive its growth.
    for (const end of [1, 2, 3, 10, 30, 1000, 2200]) {
      await writeFile(name, compress(Buffer.from(`${lines.slice(written, end).join('\n')}\n`)), { flag: 'a' })
      const { chunks, error, notes } = await read(name, { positions })
      assert.equal(error, undefined)
      assert.deepEqual(linesOf(chunks), lines.slice(written, end))
      assert.equal(chunks[0]?.origin?.line, written + 1)
      assert.deepEqual(notes, [])
      positions = new Map([...positions, ...positionsOf(chunks)])
      written = end
    }
  })
}

test('reads a second array that was appended to the first', async (t) => {
  const name = join(await temporaryFolder(t), 'x.json')
  await writeFile(name, '[{"n":1},{"n":2}]\n')
  const { chunks } = await read(name)
  await writeFile(name, '[{"n":3}]\n', { flag: 'a' })
  const rest = await read(name, { positions: positionsOf(chunks) })
  assert.deepEqual(linesOf(rest.chunks), ['{"n":3}'])
  assert.equal(rest.chunks[0]?.origin?.line, 3)
})

test('reads a last line without its line feed; text that is appended later is a line of its own', async (t) => {
  const name = join(await temporaryFolder(t), 'x.ndjson')
  await writeFile(name, '{"n":1}\n{"n":2}')
  const first = await read(name)
  assert.deepEqual(linesOf(first.chunks), ['{"n":1}', '{"n":2}'])
  await writeFile(name, '\n{"n":3}\n', { flag: 'a' })
  const second = await read(name, { positions: positionsOf(first.chunks) })
  assert.deepEqual(linesOf(second.chunks), ['{"n":3}'])
  assert.equal(second.chunks[0]?.origin?.line, 3)
})

test('reads a replaced file from its start, and logs it', async (t) => {
  const folder = await temporaryFolder(t)
  const name = join(folder, 'x.ndjson')
  const others = {
    'of other content': lines.toReversed().join('\n'),
    'that was cut': lines.slice(0, 1800).join('\n'),
    'that is shorter than its first bytes were': '{"n":1}',
    'that is empty and grows again': '{"m":1}\n'.repeat(500_000),
  }
  for (const [what, other] of Object.entries(others)) {
    await writeFile(name, lines.join('\n'))
    const positions = positionsOf((await read(name)).chunks)
    // The same inode, as if the system had reused the number of a deleted file.
    await writeFile(name, other)
    const { chunks, notes } = await read(name, { positions })
    assert.deepEqual(linesOf(chunks).join('\n'), other.trimEnd(), what)
    assert.equal(notes.length, 1)
  }
})

test('two files with the same content are both read', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'a.json'), '{"a":1}\n')
  await copyFile(join(folder, 'a.json'), join(folder, 'b.json'))
  const first = await read(join(folder, 'a.json'))
  assert.deepEqual(linesOf((await read(folder, { positions: positionsOf(first.chunks) })).chunks), ['{"a":1}'])
})

test('reads from the start if the format has changed', async (t) => {
  const name = join(await temporaryFolder(t), 'x.json')
  await writeFile(name, '[{"a":1}]\n')
  const positions = positionsOf((await read(name)).chunks)
  await writeFile(name, '[{"a":2}]\n', { flag: 'a' })
  const { chunks, notes } = await read(name, { positions, format: 'ndjson' })
  assert.deepEqual(linesOf(chunks), ['[{"a":1}]', '[{"a":2}]'])
  assert.equal(notes.length, 1)
})

test('positions and partitions stay small', async (t) => {
  const name = join(await temporaryFolder(t), 'x.json')
  await writeFile(name, lines.join('\n'))
  const { chunks } = await read(name)
  for (const { partition, position } of chunks) {
    assert.ok(JSON.stringify({ [partition ?? '']: position }).length < 250)
    assert.deepEqual(JSON.parse(JSON.stringify(position)), position)
  }
  await rm(name)
})

test('the identity of a file does not depend on its size', async (t) => {
  const name = join(await temporaryFolder(t), 'x.json')
  const partitions = new Set<string | undefined>()
  for (const size of [10, 4095, 4096, 4097]) {
    await writeFile(
      name,
      `${JSON.stringify({ hash: createHash('sha256').update(String(size)).digest('hex') })}\n`.repeat(size / 8),
    )
    const { chunks } = await read(name)
    for (const { partition } of chunks) partitions.add(partition)
  }
  assert.equal(partitions.size, 1)
})
