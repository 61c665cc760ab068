/**
 * How much does crash safety cost? It compares the same run from file to file with all syncs and
 * without any, as whole processes in turn. The times come from their reports, and the ratio is that
 * of the medians. The target is 0.9 or more.
 *
 * Sluice has no option to omit syncs. For the runs without syncs, a module that is loaded first
 * replaces the syncs of files and folders by no-ops, and the folder of the database is a link to a
 * file system in memory, where a sync does nothing. The page cache is written to disk before the
 * next run begins.
 *
 * `npm run build && node build/bench/fsync.js [--records 400000] [--rounds 9] [--memory /dev/shm]`
 */
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, statfs, symlink } from 'node:fs/promises'
import { statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createEventSet } from '../test/servers/events.ts'
import { writeArchive } from '../test/servers/events/archive.ts'

interface Question {
  readonly name: string
  readonly settings: readonly string[]
}

interface Round {
  readonly seconds: number
  readonly written: number
  readonly bytesOut: number
  readonly epochs: number
}

const PIPELINE = 'redact-to-file'
const QUESTIONS: readonly Question[] = [
  { name: 'gzip, an epoch of 128 MiB', settings: ['compression=gzip', 'roll.maxBytes=128MiB'] },
  { name: 'gzip, epochs of 50,000 records', settings: ['compression=gzip', 'roll.maxRecords=50000'] },
  { name: 'not compressed, epochs of 128 MiB', settings: ['compression=none', 'roll.maxBytes=128MiB'] },
]

const WITHOUT_SYNCS = `data:text/javascript,${encodeURIComponent(`
import { open } from 'node:fs/promises'
const handle = await open(process.execPath)
const methods = Object.getPrototypeOf(handle)
await handle.close()
let syncs = 0
methods.sync = methods.datasync = async () => void syncs++
process.on('exit', () => process.stderr.write(syncs + ' syncs were omitted\\n'))
`)}`

/** See statfs(2). */
const TMPFS = 0x01021994

const { values } = parseArgs({
  options: { records: { type: 'string' }, rounds: { type: 'string' }, memory: { type: 'string' } },
})
const records = Number(values.records ?? 400_000)
const rounds = Number(values.rounds ?? 9)
const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
const memory = await mkdtemp(join(values.memory ?? '/dev/shm', 'sluice-bench-'))
try {
  await assertKinds()
  const input = join(folder, 'input.ndjson')
  const start = Date.UTC(2026, 0, 1)
  await writeArchive(
    input,
    createEventSet({ seed: 3, count: records, start, end: start + 86_400_000, shape: 'mixed', duplicates: 0.05 }),
  )
  const megabytes = statSync(input).size / 1e6
  console.log(`${process.version}: ${records} records, ${megabytes.toFixed(0)} MB, ${rounds} rounds`)
  for (const question of QUESTIONS) await compare(question, input, megabytes)
} finally {
  await rm(folder, { recursive: true, force: true })
  await rm(memory, { recursive: true, force: true })
}

async function compare({ name, settings }: Question, input: string, megabytes: number): Promise<void> {
  const safe: Round[] = []
  const unsafe: Round[] = []
  // The first round warms up the file cache.
  for (let round = -1; round < rounds; round++) {
    const order = round % 2 === 0 ? [true, false] : [false, true]
    for (const isSafe of order) {
      const result = await run(input, settings, isSafe)
      if (round >= 0) (isSafe ? safe : unsafe).push(result)
    }
  }
  const rate = (of: readonly Round[]) => megabytes / median(of.map(({ seconds }) => seconds))
  const ratios = safe.map(({ seconds }, at) => unsafe[at].seconds / seconds)
  console.log(
    `  ${name} (${safe[0].epochs} epochs, ${(safe[0].bytesOut / 1e6).toFixed(0)} MB out): synced ${rate(safe).toFixed(0)} MB/s, ` +
      `not synced ${rate(unsafe).toFixed(0)} MB/s, ratio of the medians ${(rate(safe) / rate(unsafe)).toFixed(3)} ` +
      `(of single rounds ${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`,
  )
}

async function run(input: string, settings: readonly string[], isSafe: boolean): Promise<Round> {
  const out = join(folder, 'out')
  const state = join(folder, 'state')
  const report = join(folder, 'report.json')
  const database = join(memory, 'database')
  if (!isSafe) {
    await mkdir(database)
    await mkdir(join(state, PIPELINE), { recursive: true })
    await symlink(database, join(state, PIPELINE, 'state'))
  }
  spawnSync('sync')
  const changes = [`source.path=${input}`, `sink.path=${out}`, ...settings.map((one) => `sink.${one}`)]
  const set = changes.flatMap((change) => ['--set', change])
  const main = ['build/dist/main.cjs', 'run', `bench/${PIPELINE}.yaml`, '--state', state, '--report', report]
  const args = [...(isSafe ? [] : ['--import', WITHOUT_SYNCS]), ...main, ...set]
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`sluice ended with ${status}: ${stderr}`)
  if (!isSafe && !/^[1-9]\d* syncs were omitted$/m.test(stderr)) throw new Error('no sync was left out')
  const round: Round = JSON.parse(await readFile(report, 'utf8'))
  for (const path of [out, state, database]) await rm(path, { recursive: true, force: true })
  return round
}

/**
 * Checks that the two folders are on different kinds of file systems; otherwise there is nothing to
 * compare.
 */
async function assertKinds(): Promise<void> {
  const [disk, inMemory] = await Promise.all([statfs(folder), statfs(memory)])
  if (disk.type === TMPFS) throw new Error(`${folder} is in memory: set TMPDIR to a folder on a disk`)
  if (inMemory.type !== TMPFS) throw new Error(`${memory} is not in memory: give --memory`)
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]
}
