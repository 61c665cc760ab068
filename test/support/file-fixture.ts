import { appendFile, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { JsonObject } from '../../src/record/json/json.ts'
import { createFolder } from './temporary-folder.ts'
import type { SourceFixture, SourceInput } from '../../src/testing/index.ts'

/** A record of these tests. */
export type NumberedRecord = { readonly id: number; readonly word: string; readonly text: string }

/** A file with records in it, in a folder of its own. */
export interface FileInput extends SourceInput {
  readonly path: string
  readonly records: readonly JsonObject[]
}

/**
 * Records with a number, alike but for a word, and of three lengths; large enough for several chunks of a source that
 * cuts at half a MiB.
 */
export function recordsOf(word: string, from: number, count: number, textBytes = 60_000): NumberedRecord[] {
  return Array.from({ length: count }, (_, at) => ({ id: from + at, word, text: word[0].repeat(textBytes - (at % 3)) }))
}

/** How a file of records is spelled. */
export interface FileFormat {
  readonly name: string
  readonly write: (records: readonly JsonObject[]) => Buffer
  /** Text that continues such a file; a reason where it cannot be continued. */
  readonly more: string | ((records: readonly JsonObject[]) => Buffer)
  /** The record that a source reads from a written one. Default: the same. */
  readonly read?: (record: NumberedRecord) => JsonObject
  /** A record can be appended in two parts, while a source follows the file. */
  readonly isFollowed?: boolean
  /** Text that damages such a file from its end on. */
  readonly damage?: { readonly text: string; readonly cut: number }
  readonly textBytes?: number
  /** Options of the source, besides `path`. */
  readonly config?: { readonly [option: string]: unknown }
}

const ndjson = (records: readonly JsonObject[]): Buffer =>
  Buffer.from(records.map((record) => `${JSON.stringify(record)}\n`).join(''))

export const NDJSON: FileFormat = { name: 'events.ndjson', write: ndjson, more: ndjson, isFollowed: true }
export const ARRAY: FileFormat = {
  name: 'events.json',
  write: (records) => Buffer.from(JSON.stringify(records, null, 2)),
  more: (records) => Buffer.from(JSON.stringify(records)),
  damage: { text: ', oops]', cut: 2 },
}
export const GZIP: FileFormat = {
  name: 'events.ndjson.gz',
  write: (records) => gzipSync(ndjson(records)),
  more: (records) => gzipSync(ndjson(records)),
  damage: { text: 'no gzip', cut: 0 },
}

/** The records are inside a document. */
export const DOCUMENT: FileFormat = {
  name: 'document.json',
  write: (records) => Buffer.from(JSON.stringify({ v: 1, data: { records }, next: null }, null, 2)),
  more: (records) => Buffer.from(JSON.stringify({ data: { records } })),
  damage: { text: ', oops]}}', cut: '\n    ]\n  },\n  "next": null\n}'.length },
  config: { records: 'data.records' },
}
/** Each line is a document. */
export const DOCUMENTS: FileFormat = {
  name: 'documents.ndjson',
  write: documents,
  more: documents,
  isFollowed: true,
  config: { records: 'data.records' },
}
/** The same, for the reader that parses documents. */
export const PARSED = { records: 'data.{records,events}' }

function documents(records: readonly JsonObject[]): Buffer {
  return Buffer.from(records.map((record) => `${JSON.stringify({ data: { records: [record] } })}\n`).join(''))
}

const COUNT = 30

/** A fixture of `sourceContract` for a source that reads one file with the option `path`. */
export function fileFixture(format: FileFormat): SourceFixture<FileInput> {
  const { name, write, more, read = (record) => record, isFollowed = false, damage, textBytes, config } = format
  const written = (word: string, from = 0, count = COUNT) => recordsOf(word, from, count, textBytes)
  return {
    async open() {
      const folder = await createFolder()
      const path = join(folder.path, name)
      await writeFile(path, write(written('old')))
      return { path, records: written('old').map(read), config: { path, ...config }, close: folder.remove }
    },
    async replace({ path }, how) {
      // As a rotation does it: a complete file takes the name. Or as `cp` does it.
      const target = how === 'renamed' ? `${path}.next` : path
      await writeFile(target, write(written('new')))
      if (target !== path) await rename(target, path)
      return written('new').map(read)
    },
    async truncate({ path }) {
      const left = written('old', 0, 5)
      await writeFile(path, write(left))
      return left.map(read)
    },
    append:
      typeof more === 'string'
        ? more
        : async ({ path }) => {
            const added = written('added', COUNT, 5)
            await appendFile(path, more(added))
            return added.map(read)
          },
    ...(isFollowed &&
      typeof more !== 'string' && {
        async unfinished({ path }: FileInput) {
          const [record] = written('added', COUNT, 1)
          const text = more([record])
          await appendFile(path, text.subarray(0, text.length / 2))
          return async () => {
            await appendFile(path, text.subarray(text.length / 2))
            return read(record)
          }
        },
      }),
    ...(isFollowed &&
      typeof more !== 'string' && {
        async unended({ path }: FileInput) {
          const [record, next] = written('added', COUNT, 2)
          const text = more([record])
          await appendFile(path, text.subarray(0, -1))
          return {
            record: read(record),
            async more() {
              await appendFile(path, Buffer.concat([text.subarray(-1), more([next])]))
              return read(next)
            },
          }
        },
      }),
    ...(damage && {
      async damage({ path }: FileInput) {
        const left = written('old', 0, 20)
        const content = write(left)
        await writeFile(
          path,
          Buffer.concat([content.subarray(0, content.length - damage.cut), Buffer.from(damage.text)]),
        )
        return left.map(read)
      },
    }),
    async fail({ path }) {
      await rm(path)
    },
    async enlarge({ path }, bytes) {
      const content = await readFile(path)
      const [record] = written('large', 0, 1)
      const each = Buffer.byteLength(JSON.stringify(record))
      const block = write(Array.from({ length: Math.ceil((1 << 20) / each) }, () => record))
      const blocks = Math.ceil(bytes / (1 << 20))
      await writeFile(path, Buffer.concat([content, ...Array<Buffer>(blocks).fill(block)]))
    },
  }
}
