import assert from 'node:assert/strict'
import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { ChunkReader } from '../../../src/sources/file/chunk-reader.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

test('reads a whole file from a file system with short reads', async (t) => {
  const path = join(await temporaryFolder(t), 'a')
  const content = Buffer.from(Array.from({ length: 600_000 }, (_, at) => String(at).padStart(9)).join('\n'))
  await writeFile(path, content)
  const file = await open(path)
  t.after(() => file.close())
  const read = file.read.bind(file)
  let calls = 0
  Reflect.set(file, 'read', (buffer: Buffer, offset: number, length: number, position: number) =>
    read(buffer, offset, ++calls % 5 === 0 ? 100_000 : length, position),
  )
  for (const from of [0, 1_000_000]) {
    const parts: Buffer[] = []
    let counted = 0
    for await (const chunk of new ChunkReader().read(file, from, (bytes) => (counted += bytes))) {
      parts.push(Buffer.from(chunk))
      // Reads ahead do not overwrite it.
      const bytes = Buffer.from(chunk)
      await new Promise(setImmediate)
      assert.ok(bytes.equals(chunk))
    }
    assert.ok(Buffer.concat(parts).equals(content.subarray(from)))
    assert.equal(counted, content.length - from)
  }
})
