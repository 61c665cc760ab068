import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { addAbortSignal, pipeline } from 'node:stream'
import { parse } from 'csv-parse'
import { defineSource, FilePath, SluiceError } from 'sluice'
import type { Json, JsonObject } from 'sluice'

export default defineSource({
  summary: 'Reads a CSV file whose first line names the columns.',
  repeats: false,
  fields: { path: FilePath({ description: 'The file, relative to the working directory.' }) },
  examples: [{ title: 'An export', config: { path: 'users.csv' } }],
  create: ({ path }) => ({
    async *read({ position, signal, note }) {
      const saved = position()
      const head = await identify(path)
      const isSame = isPosition(saved) && (await identify(path, saved.bytes)).sha256 === saved.sha256
      if (saved !== undefined && !isSame) note('the file was replaced: reading it from its start', { path })
      const done = isSame ? saved.records : 0

      // With `createReadStream(path, { signal })`, Node.js 20 does not close a file that it opens when the
      // signal aborts.
      const bytes = addAbortSignal(signal, createReadStream(path))
      // `pipeline` passes the error of either stream on to the loop; `pipe` would not.
      const rows = pipeline(bytes, parse({ columns: true, bom: true }), () => {})
      let count = 0
      let records: JsonObject[] = []
      for await (const row of rows as AsyncIterable<JsonObject>) {
        if (++count <= done) continue
        records.push(row)
        if (records.length < 500) continue
        yield { records, position: { ...head, records: count } }
        records = []
      }
      if (count < done) throw new SluiceError('INPUT_CORRUPT', `${path} is shorter than when it was last read`)
      if (records.length > 0) yield { records, position: { ...head, records: count } }
    },
  }),
})

/**
 * A digest of the first bytes of a file, as many as there were: another file under the same name
 * has another one.
 */
async function identify(path: string, bytes = 4096): Promise<{ bytes: number; sha256: string }> {
  const file = await open(path).catch((cause: unknown) => {
    throw new SluiceError('FILE_NOT_FOUND', `${path} cannot be opened`, { cause })
  })
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(bytes), 0, bytes, 0)
    return { bytes: bytesRead, sha256: createHash('sha256').update(buffer.subarray(0, bytesRead)).digest('hex') }
  } finally {
    await file.close()
  }
}

/** The state may hold the position of an older version of this source, or of another one. */
function isPosition(position: Json | undefined): position is { bytes: number; sha256: string; records: number } {
  return typeof position === 'object' && position !== null && 'sha256' in position && 'records' in position
}
