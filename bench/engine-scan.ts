/**
 * What do paths cost in `scan`, against JSON.parse of each line? `[SLUICE_SCANNER=typescript] node build/bench/engine-scan.js [megabytes]`
 *
 * Best of several passes over the same batches, one thread. MB/s are 10^6 bytes of NDJSON.
 */
import { Paths } from '../src/record/path.ts'
import { scan } from '../src/record/scan.ts'
import { createEventSet } from '../test/servers/events.ts'

const BATCH_BYTES = 512 * 1024
const PASSES = 9

/** What a pipeline with validate, redact and dedup asks for. */
const PLAIN = [
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
  'system.hostname',
]
const SECRETS = [
  '**./pass(word|phrase|code)|secret|token|private_?key|ssh_?key|api_?key|credential|totp|otp|recovery|fde/i',
  'changes[*].field',
  'changes[*].{from,to}',
]

const megabytes = Number(process.argv[2] ?? 16)
for (const shape of ['one', 'mixed'] as const) {
  const batches = makeBatches(shape, megabytes * 1e6)
  const bytes = batches.reduce((sum, batch) => sum + batch.length, 0)
  const records = batches.reduce((sum, batch) => sum + countLines(batch), 0)
  console.log(`${shape}: ${records} events of ${Math.round(bytes / records)} bytes, Node ${process.version}`)
  const parse = best(() => batches.forEach(parseLines))
  report('JSON.parse', parse, parse)
  report('scan, no paths', parse, timeScan([]))
  report(`scan, ${PLAIN.length} plain paths`, parse, timeScan(PLAIN))
  report('scan, and redaction paths', parse, timeScan([...PLAIN, ...SECRETS]))

  function timeScan(texts: readonly string[]): number {
    const paths = new Paths()
    for (const text of texts) paths.add(text)
    return best(() => {
      for (const batch of batches) if (scan(batch, paths).scanned !== batch.length) throw new Error('an index was full')
    })
  }

  function report(what: string, base: number, seconds: number): void {
    const speed = `${(bytes / 1e6 / seconds).toFixed(0)} MB/s`
    const each = `${((seconds * 1e9) / records).toFixed(0)} ns/record`
    console.log(`  ${what.padEnd(28)} ${speed.padStart(9)} ${each.padStart(16)} ${(base / seconds).toFixed(1)}x`)
  }
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

function countLines(batch: Buffer): number {
  let lines = 0
  for (let at = batch.indexOf(10); at >= 0; at = batch.indexOf(10, at + 1)) lines++
  return lines
}

function parseLines(batch: Buffer): void {
  let start = 0
  for (let end = batch.indexOf(10); end >= 0; end = batch.indexOf(10, start)) {
    JSON.parse(batch.toString('utf8', start, end))
    start = end + 1
  }
}

function best(run: () => void): number {
  let seconds = Infinity
  for (let pass = 0; pass < PASSES; pass++) {
    const start = performance.now()
    run()
    seconds = Math.min(seconds, (performance.now() - start) / 1000)
  }
  return seconds
}
