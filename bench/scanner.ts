/**
 * How fast are the scanners compared with JSON.parse of each line? 16 paths, batches of 512 KiB of
 * events of about 1 KB, one thread.
 *
 * `npm run build && node build/bench/scanner.js [--megabytes 32] [--rounds 9]`
 *
 * The three take turns batch by batch, so that the drift of the machine affects all of them. The
 * result is the sum over the batches of the median of the rounds. On a busy machine read the best:
 * preemption affects the slower ones more. 1 MB is 10^6 bytes of NDJSON.
 */
import { isUtf8 } from 'node:buffer'
import { parseArgs } from 'node:util'
import type { Automaton } from '../src/record/paths/automaton.ts'
import { Paths } from '../src/record/paths/path.ts'
import { defaultLimits, MAX_HITS, MAX_RECORDS } from '../src/record/record-index.ts'
import type { RecordIndex, ScanTask } from '../src/record/record-index.ts'
import { release } from '../src/record/chunk-memory.ts'
import { scanLines } from '../src/record/scan-typescript.ts'
import { WasmScanner } from '../src/record/wasm/scanner.ts'
import { createEventSet } from '../test/servers/events.ts'

type Scanner = (task: ScanTask, automaton: Automaton) => RecordIndex | undefined

const BATCH_BYTES = 512 * 1024

/** 16 paths, because `add` also adds the parents. */
const PATHS = [
  'id',
  'timestamp',
  'service',
  'event_type',
  'success',
  'client_ip',
  'organization',
  'initiated_by.type',
  'initiated_by.id',
  'initiated_by.username',
  'geoip.latitude',
  'geoip.longitude',
  'username',
  'auth_method',
]

const { values } = parseArgs({ options: { megabytes: { type: 'string' }, rounds: { type: 'string' } } })
const megabytes = Number(values.megabytes ?? 32)
const rounds = Number(values.rounds ?? 9)
const wasm = new WasmScanner()
for (const shape of ['one', 'mixed'] as const) {
  const batches = makeBatches(shape, megabytes * 1e6)
  const bytes = batches.reduce((sum, batch) => sum + batch.length, 0)
  const paths = new Paths()
  for (const text of PATHS) paths.add(text)
  const records = batches.reduce((sum, batch) => sum + scanLines(taskOf(batch), paths.automaton()).count, 0)
  const runners: { name: string; run: (batch: Buffer) => void }[] = [
    { name: 'JSON.parse', run: parseLines },
    { name: 'typescript', run: (batch) => scanWith(scanLines, batch, paths) },
    { name: 'wasm', run: (batch) => scanWith((task, automaton) => wasm.scanLines(task, automaton), batch, paths) },
  ]
  const times = runners.map(() => batches.map((): number[] => []))
  // The first round warms up.
  for (let round = -1; round < rounds; round++) {
    for (const [number, batch] of batches.entries()) {
      for (const [runner, { run }] of runners.entries()) {
        const start = performance.now()
        run(batch)
        if (round >= 0) times[runner][number].push((performance.now() - start) / 1000)
      }
    }
  }
  console.log(
    `${process.version} ${shape}: ${records} events of ${Math.round(bytes / records)} bytes, ${paths.size} paths`,
  )
  const medians = times.map((own) => own.reduce((sum, measured) => sum + median(measured), 0))
  const bests = times.map((own) => own.reduce((sum, measured) => sum + Math.min(...measured), 0))
  for (const [runner, { name }] of runners.entries()) {
    console.log(`  ${name.padEnd(10)} median ${rate(medians, runner)}, best ${rate(bests, runner)}`)
  }

  function rate(seconds: readonly number[], runner: number): string {
    const speed = (bytes / 1e6 / seconds[runner]).toFixed(0).padStart(5)
    const each = ((seconds[runner] * 1e9) / records).toFixed(0).padStart(5)
    return `${speed} MB/s ${each} ns/record ${(seconds[0] / seconds[runner]).toFixed(2).padStart(5)}x`
  }
}

/** Releases the memory of the index, as a pipeline does. */
function scanWith(scanner: Scanner, batch: Buffer, paths: Paths): void {
  const index = scanner(taskOf(batch), paths.automaton())
  if (index?.scanned !== batch.length) throw new Error('an index was full')
  release(index.records)
}

function taskOf(bytes: Buffer): ScanTask {
  return { bytes, limits: defaultLimits, utf8: isUtf8(bytes), maxRecords: MAX_RECORDS, maxHits: MAX_HITS }
}

function makeBatches(shape: 'one' | 'mixed', size: number): Buffer[] {
  const set = createEventSet({ seed: 1, count: 1e6, start: 1.7e12, end: 1.71e12, shape })
  const batches: Buffer[] = []
  let lines: string[] = []
  let length = 0
  for (let index = 0, total = 0; total < size; index++) {
    const line = `${set.text(index)}\n`
    lines.push(line)
    length += line.length
    if (length < BATCH_BYTES) continue
    batches.push(Buffer.from(lines.join('')))
    total += length
    lines = []
    length = 0
  }
  return batches
}

function parseLines(batch: Buffer): void {
  let start = 0
  for (let end = batch.indexOf(10); end >= 0; end = batch.indexOf(10, start)) {
    JSON.parse(batch.toString('utf8', start, end))
    start = end + 1
  }
}

function median(numbers: number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]
}
