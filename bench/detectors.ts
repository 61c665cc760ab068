/**
 * What do ten rules and three detectors of `redact` cost the engine? Two pipelines on the same events,
 * each a whole process, in turn (A B A B ...): without redaction, and with it. Prints the throughput
 * with redaction as a part of that without, from the times of the report and from the CPU times of the
 * processes; medians of the rounds. On a busy machine the CPU times say more.
 *
 * `npm run build && node build/bench/detectors.js [--records 300000] [--rounds 5]`
 */
import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createEventSet } from '../test/servers/events.ts'
import { writeArchive } from '../test/servers/events/archive.ts'

interface Round {
  readonly seconds: number
  readonly cpu: number
}

const { values } = parseArgs({ options: { records: { type: 'string' }, rounds: { type: 'string' } } })
const records = Number(values.records ?? 300_000)
const rounds = Number(values.rounds ?? 5)
const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
const cpuFile = join(folder, 'cpu')
const REPORT_CPU = `data:text/javascript,${encodeURIComponent(`
import { writeFileSync } from 'node:fs'
process.on('exit', () => {
  const { user, system } = process.cpuUsage()
  writeFileSync(${JSON.stringify(cpuFile)}, String((user + system) / 1e6))
})`)}`
const { bin }: { bin: { sluice: string } } = JSON.parse(readFileSync('package.json', 'utf8'))
try {
  for (const shape of ['one', 'mixed'] as const) {
    const input = join(folder, `${shape}.ndjson`)
    const start = Date.UTC(2026, 0, 1)
    await writeArchive(
      input,
      createEventSet({ seed: 3, count: records, start, end: start + 86_400_000, shape, duplicates: 0.05 }),
    )
    console.log(`${process.version} ${shape}: ${records} records, ${rounds} rounds`)
    const plain: Round[] = []
    const redacted: Round[] = []
    // The first round warms up the file cache.
    for (let round = -1; round < rounds; round++) {
      const [without, withRules] = [await run('bench/plain.yaml', input), await run('bench/detectors.yaml', input)]
      if (round < 0) continue
      plain.push(without)
      redacted.push(withRules)
    }
    const ratio = (of: (round: Round) => number) =>
      median(plain.map((one, round) => of(one) / of(redacted[round]))).toFixed(2)
    console.log(`  time ${ratio(({ seconds }) => seconds)}, CPU ${ratio(({ cpu }) => cpu)}`)
    await rm(input)
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function run(pipeline: string, input: string): Promise<Round> {
  const report = join(folder, 'report.json')
  const args = [
    '--import',
    REPORT_CPU,
    bin.sluice,
    'run',
    pipeline,
    '--report',
    report,
    '--set',
    `source.path=${input}`,
  ]
  const { status, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, SLUICE_HMAC_KEY: 'a key of the benches, made up' },
  })
  if (status !== 0) throw new Error(`sluice ended with ${status}: ${stderr}`)
  const { seconds }: { seconds: number } = JSON.parse(await readFile(report, 'utf8'))
  return { seconds, cpu: Number(await readFile(cpuFile, 'utf8')) }
}

function median(numbers: number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]
}
