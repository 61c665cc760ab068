import { appendFile, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { JsonObject } from '../../src/record/json/json.ts'
import type { SourceFixture, SourceInput } from '../../src/testing/index.ts'

/** A file with records in it, in a folder of its own. */
export interface FileInput extends SourceInput {
  readonly path: string
  readonly records: readonly JsonObject[]
}

/** Records with a number, alike but for a word; large enough for several chunks of a source that cuts at half a MiB. */
export function recordsOf(word: string, from: number, count: number, textBytes = 60_000): JsonObject[] {
  return Array.from({ length: count }, (_, at) => ({ id: from + at, word, text: word[0].repeat(textBytes) }))
}

/** How a file of records is spelled. */
export interface FileFormat {
  readonly name: string
  readonly write: (records: readonly JsonObject[]) => Buffer
  /** Text that continues such a file; a reason where it cannot be continued. */
  readonly more: string | ((records: readonly JsonObject[]) => Buffer)
  readonly config?: object
  readonly textBytes?: number
}

const ndjson = (records: readonly JsonObject[]): Buffer =>
  Buffer.from(records.map((record) => `${JSON.stringify(record)}\n`).join(''))

export const NDJSON: FileFormat = { name: 'events.ndjson', write: ndjson, more: ndjson }
export const ARRAY: FileFormat = {
  name: 'events.json',
  write: (records) => Buffer.from(JSON.stringify(records, null, 2)),
  more: (records) => Buffer.from(JSON.stringify(records)),
}
export const GZIP: FileFormat = {
  name: 'events.ndjson.gz',
  write: (records) => gzipSync(ndjson(records)),
  more: (records) => gzipSync(ndjson(records)),
}

/** The questions of `sourceContract` for a source that reads one file, whatever its format. */
export function fileFixture({ name, write, more, config = {}, textBytes }: FileFormat): SourceFixture<FileInput> {
  const count = 30
  const write30 = (word: string) => recordsOf(word, 0, count, textBytes)
  return {
    async open() {
      const folder = await mkdtemp(join(tmpdir(), 'sluice-contract-'))
      const path = join(folder, name)
      const records = write30('old')
      await writeFile(path, write(records))
      return { path, records, config: { ...config, path }, close: () => rm(folder, { recursive: true }) }
    },
    async replace({ path }) {
      const records = write30('new')
      // As a rotation does it: a file that is complete takes the name.
      await writeFile(`${path}.next`, write(records))
      await rename(`${path}.next`, path)
      return records
    },
    async truncate({ path, records }) {
      const left = records.slice(0, 5)
      await writeFile(path, write(left))
      return left
    },
    append:
      typeof more === 'string'
        ? more
        : async ({ path, records }) => {
            const added = recordsOf('added', records.length, 5, textBytes)
            await appendFile(path, more(added))
            return added
          },
    async fail({ path }) {
      await rm(path)
    },
    async enlarge({ path }, bytes) {
      const content = await readFile(path)
      const [record] = recordsOf('large', 0, 1, textBytes)
      const each = Buffer.byteLength(JSON.stringify(record))
      const block = write(Array.from({ length: Math.ceil((1 << 20) / each) }, () => record))
      const blocks = Math.ceil(bytes / (1 << 20))
      await writeFile(path, typeof more === 'string' ? block : Buffer.concat([content, ...Array(blocks).fill(block)]))
    },
  }
}
