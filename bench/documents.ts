/**
 * How fast are the records of a document found? Both readers of `records:`, beside `JSON.parse` of
 * the whole document, and beside plain `stream-json` as its documentation shows it
 * (`pick.withParser`, `streamArray`). One document of CloudTrail, one thread, from memory.
 *
 * `npm run build && node build/bench/documents.js [--megabytes 64] [--rounds 5]`
 *
 * All take turns. Both readers give lines of NDJSON, the others objects: `+ stringify` adds the
 * lines. 1 MB is 10^6 bytes of the document.
 */
import { Readable } from 'node:stream'
import { parseArgs } from 'node:util'
import { pick } from 'stream-json/filters/pick.js'
import { streamArray } from 'stream-json/streamers/stream-array.js'
import { jsonParser } from 'stream-json/core/parser.js'
import { createSplitter } from '../src/sources/content/create-splitter.ts'
import { recordsSetting } from '../src/sources/content/records-setting.ts'
import { release } from '../src/record/chunk-memory.ts'
import { cloudTrail } from './cloudtrail.ts'

const CHUNK_BYTES = 512 * 1024

const { values } = parseArgs({ options: { megabytes: { type: 'string' }, rounds: { type: 'string' } } })
const rounds = Number(values.rounds ?? 5)
const document = Buffer.concat([...cloudTrail(Number(values.megabytes ?? 64) * 1e6)])
const parts = Array.from({ length: Math.ceil(document.length / CHUNK_BYTES) }, (_, at) =>
  document.subarray(at * CHUNK_BYTES, (at + 1) * CHUNK_BYTES),
)

const runners: { readonly name: string; readonly run: () => Promise<number> }[] = [
  { name: 'JSON.parse of the whole', run: () => parseWhole(false) },
  { name: 'JSON.parse of the whole + stringify', run: () => parseWhole(true) },
  { name: 'records: Records (bytes)', run: () => split('Records') },
  { name: 'records: {Records,events} (stream-json)', run: () => split('{Records,events}') },
  { name: 'the tokens of stream-json alone', run: countTokens },
  { name: 'plain stream-json', run: () => plain(false) },
  { name: 'plain stream-json + stringify', run: () => plain(true) },
]

const times = runners.map((): number[] => [])
for (let round = 0; round <= rounds; round++) {
  for (const [at, { run }] of runners.entries()) {
    const start = performance.now()
    const bytes = await run()
    if (bytes === 0) throw new Error('nothing was found')
    // The first round warms up.
    if (round > 0) times[at].push(performance.now() - start)
  }
}
const medians = times.map((list) => list.toSorted((a, b) => a - b)[list.length >> 1])
console.log(`${process.version}, ${(document.length / 1e6).toFixed(0)} MB, ${rounds} rounds, medians`)
for (const [at, { name }] of runners.entries()) {
  const speed = document.length / 1000 / medians[at]
  console.log(
    `${name.padEnd(42)} ${speed.toFixed(0).padStart(5)} MB/s  ${(medians[0] / medians[at]).toFixed(2)} of JSON.parse`,
  )
}

async function split(records: string): Promise<number> {
  const setting = { format: 'array', records: recordsSetting(records, undefined), maxLine: 1 << 20 } as const
  const { splitter } = await createSplitter('document', setting)
  let bytes = 0
  const count = (chunks: Iterable<{ readonly bytes: Buffer }>): void => {
    for (const chunk of chunks) {
      bytes += chunk.bytes.length
      release(chunk.bytes)
    }
  }
  for (const part of parts) count(splitter.push(part))
  count(splitter.end())
  return bytes
}

async function parseWhole(writes: boolean): Promise<number> {
  const { Records }: { Records: unknown[] } = JSON.parse(document.toString())
  return writes
    ? Records.reduce<number>((sum, record) => sum + Buffer.from(JSON.stringify(record)).length, 0)
    : Records.length
}

async function countTokens(): Promise<number> {
  const parse = jsonParser({ packValues: true, streamValues: false })
  let count = 0
  const decoder = new TextDecoder()
  for (const part of parts) {
    const result: unknown = parse(decoder.decode(part, { stream: true }))
    if (typeof result === 'object' && result !== null && 'values' in result && Array.isArray(result.values))
      count += result.values.length
  }
  return count
}

async function plain(writes: boolean): Promise<number> {
  const records = Readable.from(parts)
    .pipe(pick.withParserAsStream({ filter: 'Records', packValues: true, streamValues: false }))
    .pipe(streamArray.asStream())
  let size = 0
  for await (const item of records) {
    const { value }: { value: unknown } = item
    size += writes ? Buffer.from(JSON.stringify(value)).length : 1
  }
  return size
}
