/**
 * How fast is the dedup index, and how much memory does it need? It measures new and known dedup
 * keys per second, in batches like those of the sink; and a restart, which reads the keys of one
 * day from their file, compared with only reading that file.
 *
 * `npm run build && node build/bench/dedup-keys.js [--keys 2000000] [--rounds 5]`
 */
import { randomFillSync } from 'node:crypto'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ENTRY_BYTES, ENTRY_WORDS, Found } from '../src/delivery/dedup/dedup-table.ts'
import { DedupIndex } from '../src/delivery/dedup/dedup-index.ts'
import { realFiles } from '../src/files.ts'

const { values } = parseArgs({ options: { keys: { type: 'string' }, rounds: { type: 'string' } } })
const keys = Number(values.keys ?? 2_000_000)
const rounds = Number(values.rounds ?? 5)
/** Records per batch: 512 KiB of records of 700 bytes. */
const BATCH = 700
const DAY = 20_000
const CHUNK = 8 << 20

const entries = new Uint32Array(keys * ENTRY_WORDS)
randomFillSync(entries)
const times = {
  added: new Array<number>(),
  known: new Array<number>(),
  restart: new Array<number>(),
  read: new Array<number>(),
}
let bytes = 0
for (let round = 0; round < rounds; round++) {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
  try {
    const common = { folder, files: realFiles, stage: 'dedup', memory: Infinity, within: undefined }
    const index = await DedupIndex.open({ ...common, rows: [] })
    await index.prepare([DAY], undefined)
    times.added.push(addAll(index, Found.new))
    times.known.push(addAll(index, Found.same))
    bytes = index.bytes
    const { rows } = await index.write({ permanent: false })

    times.read.push(await timed(() => readAll(join(folder, rows[0].name))))
    times.restart.push(
      await timed(async () => {
        const again = await DedupIndex.open({ ...common, rows })
        await again.prepare([DAY], undefined)
      }),
    )
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
const rate = (seconds: readonly number[]) => `${(keys / 1e6 / median(seconds)).toFixed(1)} M/s`
const speed = (seconds: readonly number[]) => `${((keys * ENTRY_BYTES) / 1e6 / median(seconds)).toFixed(0)} MB/s`
console.log(
  `${process.version}: ${keys} keys of ${(bytes / keys).toFixed(1)} bytes; new ${rate(times.added)}, known ${rate(times.known)}; restart ${rate(times.restart)} (${speed(times.restart)}), ` +
    `only reading its file ${speed(times.read)}`,
)

/** Adds all keys. Returns the seconds taken. */
function addAll(index: DedupIndex, expected: number): number {
  const start = performance.now()
  for (let first = 0; first < keys; first += BATCH) {
    const end = Math.min(keys, first + BATCH) * ENTRY_WORDS
    for (let at = first * ENTRY_WORDS; at < end; at += ENTRY_WORDS) index.prefetch(entries, at, DAY)
    for (let at = first * ENTRY_WORDS; at < end; at += ENTRY_WORDS) {
      if (index.add(entries, at, DAY) !== expected) throw new Error('two random keys are equal')
    }
  }
  return (performance.now() - start) / 1000
}

async function readAll(path: string): Promise<void> {
  const file = await open(path)
  const chunk = Buffer.alloc(CHUNK)
  while ((await file.read(chunk, 0, CHUNK)).bytesRead > 0);
  await file.close()
}

async function timed(work: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await work()
  return (performance.now() - start) / 1000
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]
}
