/**
 * The s3 source: the time to plan many objects, and the memory and speed of reading many bytes. The
 * server is a process of its own and makes the objects while they are read.
 *
 * `node build/bench/s3-source.js [--keys 100000] [--gigabytes 10]`
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import type { PartsOptions, Source, SourceDeclaration } from '../src/component.ts'
import s3 from '../src/sources/s3.ts'
import { configure, contextOf } from '../src/testing/configure.ts'
import { startS3Server } from '../test/servers/s3.ts'
import { readOptions } from '../test/support/read-options.ts'

const { values } = parseArgs({
  options: {
    keys: { type: 'string', default: '100000' },
    gigabytes: { type: 'string', default: '10' },
    serve: { type: 'boolean', default: false },
  },
})
const KEYS = Number(values.keys)
const BYTES = Number(values.gigabytes) * 1e9
const OBJECT_BYTES = 250e6

let cpu = process.cpuUsage()

/** About 64 KiB of lines of about 500 bytes. */
const BLOCK = Buffer.from(
  Array.from({ length: 128 }, (_, at) => `${JSON.stringify({ id: at, text: 'event '.repeat(80) })}\n`).join(''),
)

if (values.serve) await serve()
else await measure()

async function serve(): Promise<void> {
  const server = await startS3Server({ buckets: ['bench'] })
  const lastModified = new Date(Date.now() - 90 * 86_400_000)
  const compressed = gzipSync(BLOCK)
  for (let at = 0; at < KEYS; at++)
    server.add('bench', `keys/${String(at).padStart(8, '0')}.json.gz`, compressed, { lastModified })
  const blocks = Math.ceil(OBJECT_BYTES / BLOCK.length)
  for (let at = 0; at < BYTES / OBJECT_BYTES; at++) {
    const read = (start: number, end: number) => repeated(start, end)
    server.add(
      'bench',
      `large/${String(at).padStart(4, '0')}.ndjson`,
      { size: blocks * BLOCK.length, read },
      { lastModified },
    )
  }
  console.log(JSON.stringify(server))
}

function* repeated(start: number, end: number): Generator<Buffer> {
  for (let at = start; at < end;) {
    const from = at % BLOCK.length
    const chunk = BLOCK.subarray(from, Math.min(BLOCK.length, from + end - at))
    yield chunk
    at += chunk.length
  }
}

async function measure(): Promise<void> {
  const child = spawn(process.execPath, [import.meta.filename, ...process.argv.slice(2), '--serve'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const [line]: string[] = await once(createInterface(child.stdout), 'line')
    const server: { endpoint: string; region: string; accessKeyId: string; secretAccessKey: string } = JSON.parse(line)
    process.env['AWS_ACCESS_KEY_ID'] = server.accessKeyId
    process.env['AWS_SECRET_ACCESS_KEY'] = server.secretAccessKey
    const where = { endpoint: server.endpoint, region: server.region, forcePathStyle: true }
    cpu = process.cpuUsage()
    await plan(where)
    await small(where)
    await large(where)
  } finally {
    child.kill()
  }
}

async function open(path: string, where: object): Promise<Source> {
  const declaration: SourceDeclaration = s3
  return declaration.create(await configure(s3, { path, ...where }), contextOf(s3))
}

async function plan(where: object): Promise<void> {
  const source = await open('s3://bench/keys/', where)
  const options: PartsOptions = { ...readOptions(), final: true, partBytes: 128e6 }
  const peak = watchMemory()
  const start = performance.now()
  let parts = 0
  for await (const _part of source.parts?.(options) ?? []) parts++
  report(`plan of ${parts} objects`, start, peak(), undefined)
}

async function small(where: object): Promise<void> {
  const source = await open(`s3://bench/keys/${'0'.repeat(4)}*`, where)
  const peak = watchMemory()
  const start = performance.now()
  let objects = 0
  let bytes = 0
  for await (const chunk of source.read(readOptions())) {
    objects++
    bytes += chunk.bytes?.length ?? 0
  }
  report(`${objects} chunks of small .gz objects`, start, peak(), bytes)
}

async function large(where: object): Promise<void> {
  const source = await open('s3://bench/large/', where)
  const peak = watchMemory()
  const start = performance.now()
  let bytes = 0
  for await (const chunk of source.read(readOptions())) bytes += chunk.bytes?.length ?? 0
  report(`${(bytes / 1e9).toFixed(1)} GB of plain NDJSON`, start, peak(), bytes)
}

/** Returns the growth of resident memory in MB: after a fifth of the time, and at its peak. */
function watchMemory() {
  const samples: number[] = []
  const timer = setInterval(() => samples.push(process.memoryUsage.rss() / 1e6), 100)
  return (): string => {
    clearInterval(timer)
    const early = Math.max(...samples.slice(0, Math.ceil(samples.length / 5)))
    return `memory ${Math.round(early)} MB in the first fifth, ${Math.round(Math.max(...samples))} MB at most`
  }
}

function report(what: string, start: number, memory: string, bytes: number | undefined): void {
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpu)
  cpu = process.cpuUsage()
  const rate = bytes === undefined ? '' : `, ${Math.round(bytes / 1e6 / seconds)} MB/s`
  console.log(`${what}: ${seconds.toFixed(1)} s, ${((user + system) / 1e6).toFixed(1)} s of CPU${rate}, ${memory}`)
}
