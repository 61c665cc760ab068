/**
 * How much faster than the object chain are the stages on one thread? Questions, each on
 * events of one shape and on mixed events:
 * - redact: validate, redact 4 paths, dedup. Both sides produce the output bytes and discard them;
 *   Sluice writes them to a standard output that is ignored.
 * - secrets: the same with the preset `secrets` (names at any depth) and a rule with a condition.
 * - file: the first question, with output to a file.
 * - shape: set, rename and remove of six members, without validation and dedup.
 * - where: a filter with an expression over two paths, without anything else.
 * - compute: a member that an expression makes of two others, without anything else.
 *
 * Both sides are whole processes that run in turn (A B A B ...), so that the drift of the machine
 * affects both. Each process measures its own time, without its start, but with the compilation of
 * the schema. The result is the median of the ratios of the rounds.
 *
 * With `--against <checkout>` the other side is the Sluice of another built checkout: before and
 * after a change, in one run. CPU seconds of whole processes are printed too, medians of both sides: on
 * a busy machine they say more than the time.
 *
 * `npm run build && node build/bench/stages.js [--records 400000] [--rounds 5] [--only
 * redact,secrets,file,shape,where,compute] [--against ../before]`
 */
import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { readFileSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { createEventSet } from '../test/servers/events.ts'
import { writeArchive } from '../test/servers/events/archive.ts'
import { median, readCpu, reportCpu } from './timed.ts'

interface Round {
  readonly seconds: number
  readonly written: number
  readonly bytesOut: number
  /** CPU seconds of the whole process, its start included. */
  readonly cpu: number
}

interface Question {
  readonly name: string
  readonly pipeline: string
  readonly chain: readonly string[]
  readonly toFile: boolean
}

const QUESTIONS: readonly Question[] = [
  { name: 'redact', pipeline: 'bench/redact.yaml', chain: [], toFile: false },
  { name: 'secrets', pipeline: 'bench/secrets.yaml', chain: ['--secrets'], toFile: false },
  { name: 'file', pipeline: 'bench/redact-to-file.yaml', chain: [], toFile: true },
  { name: 'shape', pipeline: 'bench/shape.yaml', chain: ['--shape'], toFile: false },
  { name: 'where', pipeline: 'bench/where.yaml', chain: ['--where'], toFile: false },
  { name: 'compute', pipeline: 'bench/compute.yaml', chain: ['--compute'], toFile: false },
]

const { values } = parseArgs({
  options: {
    records: { type: 'string' },
    rounds: { type: 'string' },
    only: { type: 'string' },
    against: { type: 'string' },
  },
})
const records = Number(values.records ?? 400_000)
const rounds = Number(values.rounds ?? 5)
const only = values.only?.split(',')
const against = values.against === undefined ? undefined : resolve(values.against)
const other = against === undefined ? 'object chain' : 'before'
const questions = QUESTIONS.filter(({ name }) => only?.includes(name) ?? true)
const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
const cpuFile = join(folder, 'cpu')
try {
  for (const shape of ['one', 'mixed'] as const) {
    const input = join(folder, `${shape}.ndjson`)
    const start = Date.UTC(2026, 0, 1)
    const events = createEventSet({ seed: 3, count: records, start, end: start + 86_400_000, shape, duplicates: 0.05 })
    await writeArchive(input, events)
    const megabytes = statSync(input).size / 1e6
    console.log(`${process.version} ${shape}: ${records} records, ${megabytes.toFixed(0)} MB, ${rounds} rounds`)
    for (const question of questions) await compare(question, input, shape, megabytes)
    await rm(input)
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function compare(question: Question, input: string, shape: 'one' | 'mixed', megabytes: number): Promise<void> {
  const chain: Round[] = []
  const sluice: Round[] = []
  // The first round warms up the file cache.
  for (let round = -1; round < rounds; round++) {
    const theirs =
      other === 'object chain' ? await runChain(question, input) : await runSluice(question, input, against)
    const ours = await runSluice(question, input)
    if (theirs.written !== ours.written)
      throw new Error(`the other side wrote ${theirs.written}, sluice ${ours.written}`)
    // Mixed events have whitespace that the chain does not preserve.
    if (shape === 'one' && theirs.bytesOut !== ours.bytesOut)
      throw new Error(`the other side made ${theirs.bytesOut} bytes, sluice ${ours.bytesOut}`)
    if (round < 0) continue
    chain.push(theirs)
    sluice.push(ours)
  }
  const ratios = chain.map(({ seconds }, at) => seconds / sluice[at].seconds)
  const rate = (of: readonly Round[]) => `${(megabytes / median(of.map(({ seconds }) => seconds))).toFixed(0)} MB/s`
  console.log(
    `  ${question.name.padEnd(8)} ${other} ${rate(chain).padStart(8)}, sluice ${rate(sluice).padStart(9)}, ratio ${median(ratios).toFixed(2)} ` +
      `(${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})${cpuText(chain, sluice)}`,
  )
}

function cpuText(before: readonly Round[], after: readonly Round[]): string {
  const cpu = (of: readonly Round[]) => median(of.map((round) => round.cpu))
  const ratio = median(before.map((round, at) => round.cpu / after[at].cpu))
  return `, CPU ${cpu(before).toFixed(2)} and ${cpu(after).toFixed(2)} s, ratio ${ratio.toFixed(2)}`
}

async function runChain({ chain, toFile }: Question, input: string): Promise<Round> {
  const output = toFile ? [join(folder, 'chain.ndjson')] : []
  const command = ['--import', reportCpu(cpuFile), 'build/bench/object-chain.js', input, ...output, ...chain]
  const round: Round = JSON.parse(run(command, 'pipe'))
  return { ...round, cpu: await readCpu(cpuFile) }
}

/** The time in the report is from the start of the run to the end of publishing. */
async function runSluice({ pipeline, toFile }: Question, input: string, checkout?: string): Promise<Round> {
  const report = join(folder, 'report.json')
  const out = join(folder, 'out')
  const state = join(folder, 'state')
  const settings = ['--set', `source.path=${input}`, ...(toFile ? ['--set', `sink.path=${out}`] : [])]
  run(
    [
      '--import',
      reportCpu(cpuFile),
      mainOf(checkout),
      'run',
      pipeline,
      '--state',
      state,
      '--report',
      report,
      ...settings,
    ],
    'ignore',
    checkout,
  )
  const round: Round = JSON.parse(await readFile(report, 'utf8'))
  const cpu = await readCpu(cpuFile)
  await rm(out, { recursive: true, force: true })
  await rm(state, { recursive: true, force: true })
  return { ...round, cpu }
}

/** The command of a checkout, by default of this one, relative to it. */
function mainOf(checkout = '.'): string {
  const { bin }: { bin: { sluice: string } } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'))
  return bin.sluice
}

function run(args: string[], output: 'pipe' | 'ignore', cwd?: string): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    ...(cwd !== undefined && { cwd }),
    encoding: 'utf8',
    stdio: ['ignore', output, 'pipe'],
  })
  if (status !== 0) throw new Error(`${args[0]} ended with ${status}: ${stderr}`)
  return stdout
}
