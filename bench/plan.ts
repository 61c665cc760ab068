/**
 * How long does it take to plan a backfill of many inputs, and how much memory? Files of one folder,
 * through the file source and the grouping into shards.
 *
 * `npm run build && node build/bench/plan.js [--files 100000]`
 *
 * The memory is what the process has gained when the last shard comes. The plan itself is not kept, as
 * in a run, which stores each shard; the list of names is.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { loadPipeline } from '../src/config/load.ts'
import { createSource } from '../src/runtime/source-input.ts'
import { planShards } from '../src/shards/plan.ts'

const { values } = parseArgs({ options: { files: { type: 'string' } } })
const files = Number(values.files ?? 100_000)
const FILES_A_FOLDER = 1000

const folder = await mkdtemp(join(tmpdir(), 'plan-'))
try {
  for (let from = 0; from < files; from += FILES_A_FOLDER) {
    const day = join(folder, 'in', String(from))
    await mkdir(day, { recursive: true })
    const names = Array.from({ length: Math.min(FILES_A_FOLDER, files - from) }, (_, at) => `${from + at}.ndjson`)
    await Promise.all(names.map((name) => writeFile(join(day, name), `{"id":"${name}"}\n`)))
  }
  await writeFile(
    join(folder, 'p.yaml'),
    `source: { type: file, path: ${join(folder, 'in')} }\nsink: { type: file, path: out }\n`,
  )
  await measure(join(folder, 'p.yaml'))
} finally {
  await rm(folder, { recursive: true })
}

async function measure(path: string): Promise<void> {
  const { pipeline } = await loadPipeline(path, { mode: 'run', set: [] })
  if (pipeline === undefined) throw new Error('the pipeline has problems')
  const source = await createSource(pipeline)
  const before = process.memoryUsage().rss
  const [started, cpu] = [performance.now(), process.cpuUsage()]
  let [shards, parts, peak] = [0, 0, before]
  const plan = planShards(pipeline, source, {
    position: () => undefined,
    signal: new AbortController().signal,
    note: () => undefined,
    inputFailed: ({ error }) => {
      throw error
    },
    final: false,
    shardBytes: 128 << 20,
  })
  for await (const shard of plan) {
    shards++
    parts += shard.parts.length
    peak = Math.max(peak, process.memoryUsage().rss)
  }
  const { user, system } = process.cpuUsage(cpu)
  const seconds = (performance.now() - started) / 1000
  console.log(`${parts} inputs, ${shards} shards`)
  console.log(`${seconds.toFixed(1)} s (${((user + system) / 1e6).toFixed(1)} s of CPU time)`)
  console.log(`${((peak - before) / 1e6).toFixed(0)} MB more memory`)
}
