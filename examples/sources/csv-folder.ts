import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { addAbortSignal, pipeline } from 'node:stream'
import { parse } from 'csv-parse'
import { defineSource, FilePath, SluiceError } from 'sluice'
import type { Chunk, JsonObject, PartsOptions, ReadOptions, SourcePart } from 'sluice'

export default defineSource({
  summary: 'Reads the CSV files of a folder. The first line of each names the columns.',
  // The records of a file that was read in part are read again.
  repeats: true,
  fields: { path: FilePath({ description: 'The folder, relative to the working directory.' }) },
  examples: [{ title: 'Exports', config: { path: 'exports' } }],
  create: ({ path }) => ({
    // With one worker, the same is done one after the other.
    async *read(options) {
      for await (const part of listFiles(path, options)) yield* readFile(path, part, options)
    },
    parts: (options) => listFiles(path, options),
    readParts: (parts, options) => parts.map((part) => readFile(path, part, options)),
  }),
})

type ListOptions = Pick<PartsOptions, 'position' | 'signal'>

/** Each file is a source partition, and one part: all that is not read yet. */
async function* listFiles(path: string, { position, signal }: ListOptions): AsyncGenerator<SourcePart> {
  const names = await readdir(path).catch((cause: unknown) => {
    throw new SluiceError('FILE_NOT_FOUND', `the folder ${path} cannot be read`, { cause })
  })
  for (const name of names.filter((one) => one.endsWith('.csv')).toSorted()) {
    if (signal.aborted) return
    const { size, version } = await look(join(path, name))
    if (position(name) === version) continue
    yield { partition: name, input: join(path, name), bytes: size, format: 'csv', detail: version }
  }
}

/** Perhaps in another process, and hours after the file was listed. */
async function* readFile(path: string, part: SourcePart, { signal }: ReadOptions): AsyncGenerator<Chunk> {
  const { partition, input, detail } = part
  const file = join(path, partition)
  if ((await look(file)).version !== detail) throw new SluiceError('INPUT_CORRUPT', `${input} has changed`)
  const rows = pipeline(
    addAbortSignal(signal, createReadStream(file)),
    parse({ columns: true, bom: true }),
    () => {},
  ) as AsyncIterable<JsonObject>
  let records: JsonObject[] = []
  for await (const row of rows) {
    records.push(row)
    if (records.length < 500) continue
    yield { partition, records }
    records = []
  }
  // The position comes with the last chunk only: reading does not resume within a file.
  yield { partition, records, position: detail }
}

/** What tells two versions of a file apart. */
async function look(file: string): Promise<{ size: number; version: string }> {
  const { size, mtimeMs } = await stat(file).catch((cause: unknown) => {
    throw new SluiceError('FILE_NOT_FOUND', `${file} cannot be opened`, { cause })
  })
  return { size, version: `${size} ${mtimeMs}` }
}
