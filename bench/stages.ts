/**
 * How much faster than the object chain is file -> validate, redact 4 paths, dedup -> file on one thread? Both are whole processes, run in turn
 * (A B A B ...) so that the machine's drift hits both. `npm run build && node build/bench/stages.js [--records 400000] [--rounds 5]`.
 */
import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createEventSet } from '../test/servers/events.ts'
import { writeArchive } from '../test/servers/events/archive.ts'

interface Round {
  seconds: number
  written: number
}

const { values } = parseArgs({ options: { records: { type: 'string' }, rounds: { type: 'string' } } })
const records = Number(values.records ?? 400_000)
const rounds = Number(values.rounds ?? 5)
const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
try {
  for (const shape of ['one', 'mixed'] as const) {
    const input = join(folder, `${shape}.ndjson`)
    const start = Date.UTC(2026, 0, 1)
    const events = createEventSet({ seed: 3, count: records, start, end: start + 86_400_000, shape, duplicates: 0.05 })
    await writeArchive(input, events)
    const megabytes = statSync(input).size / 1e6
    const chain: Round[] = []
    const sluice: Round[] = []
    for (let round = -1; round < rounds; round++) {
      const pair = [runChain(input), await runSluice(input)]
      if (pair[0].written !== pair[1].written)
        throw new Error(`chain wrote ${pair[0].written}, sluice ${pair[1].written}`)
      if (round < 0) continue
      chain.push(pair[0])
      sluice.push(pair[1])
    }
    const ratios = chain.map((round, at) => round.seconds / sluice[at].seconds)
    const rate = (round: number) => `${(megabytes / round).toFixed(0)} MB/s`
    process.stdout.write(
      `${process.version} ${shape}: object chain ${rate(median(chain.map((round) => round.seconds)))}, ` +
        `sluice ${rate(median(sluice.map((round) => round.seconds)))}, ratio ${median(ratios).toFixed(2)} ` +
        `(${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}), ${megabytes.toFixed(0)} MB, ${records} records, ${rounds} rounds\n`,
    )
    await rm(input)
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}

function runChain(input: string): Round {
  const result = JSON.parse(run(['build/bench/object-chain.js', input, join(folder, 'chain.ndjson')]))
  return { seconds: result.seconds, written: result.written }
}

/** The time is the report's own: from the start of the run to the end of publishing, without the start of the process, as for the chain. */
async function runSluice(input: string): Promise<Round> {
  const report = join(folder, 'report.json')
  const out = join(folder, 'out')
  const state = join(folder, 'state')
  const settings = ['--set', `source.path=${input}`, '--set', `sink.path=${out}`]
  run(['build/src/cli/main.js', 'run', 'bench/stages.yaml', '--state', state, '--report', report, ...settings])
  const { seconds, written }: Round = JSON.parse(await readFile(report, 'utf8'))
  await rm(out, { recursive: true })
  await rm(state, { recursive: true })
  return { seconds, written }
}

function run(args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 1 << 26 })
  if (status !== 0) throw new Error(`${args[0]} ended with ${status}: ${stderr}`)
  return stdout
}

function median(numbers: number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]
}
