import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { EventSet } from '../events.ts'
import { encodeChunks } from './encode.ts'

export interface ArchiveOptions {
  /** First index. Default: 0. */
  readonly from?: number
  /** One past the last index. Default: all. */
  readonly to?: number
  /**
   * `array`: one event per line (`[{…},\n{…}]`). `pretty`: an indented array. Default: `ndjson`.
   */
  readonly format?: 'ndjson' | 'array' | 'pretty'
  /** `DESC` writes the newest event first, like JumpCloud's own archives. Default: `ASC`. */
  readonly order?: 'ASC' | 'DESC'
  readonly gzip?: boolean
}

/** Writes events to a file. Memory does not grow with the number of events. */
export async function writeArchive(path: string, events: EventSet, options: ArchiveOptions = {}): Promise<void> {
  const chunks = Readable.from(encodeChunks(archiveTexts(events, options), CHUNK), { highWaterMark: 1 })
  const file = createWriteStream(path, { highWaterMark: CHUNK })
  if (options.gzip) await pipeline(chunks, createGzip({ level: 1, chunkSize: CHUNK }), file)
  else await pipeline(chunks, file)
}

const CHUNK = 256 * 1024

function* archiveTexts(events: EventSet, options: ArchiveOptions): Generator<string> {
  const { from = 0, to = events.count, format = 'ndjson', order = 'ASC' } = options
  const { open, separator, close } = FORMATS[format]
  const layout = format === 'pretty' ? 'pretty' : undefined
  yield open
  for (let at = from; at < to; at++) {
    const text = events.text(order === 'ASC' ? at : from + to - 1 - at, layout)
    yield at === from ? text : separator + text
  }
  if (format !== 'ndjson' || to > from) yield close
}

const FORMATS = {
  ndjson: { open: '', separator: '\n', close: '\n' },
  array: { open: '[', separator: ',\n', close: ']\n' },
  pretty: { open: '[\n', separator: ',\n', close: '\n]\n' },
}
