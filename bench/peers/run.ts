/**
 * The same job for Sluice and for other programs: parse NDJSON, check each record, mask four
 * members, deduplicate by id, and write plain files, gzip files, or gzip objects to S3. Each program
 * runs if its binary is on the PATH, and is skipped with a notice otherwise. Outputs are compared by
 * value with what the job must make.
 *
 * MB are megabytes of input. The start is the job for one record, in seconds and core-seconds. All
 * take turns, so that the drift of the machine affects all; figures are medians. The S3 server is a
 * process of its own and is not counted.
 *
 * `npm run build && node build/bench/peers/run.js [--megabytes 200] [--rounds 3] [--only jq,DuckDB]
 * [--folder /tmp]`. Needs Linux, bash and gzip. `SLUICE_ARGS` is added to the command of Sluice.
 */
import { accessSync, constants } from 'node:fs'
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, isAbsolute, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { writeInput } from './input.ts'
import { run } from './measure.ts'
import type { Run } from './measure.ts'
import { peers } from './peer.ts'
import type { Output, Peer } from './peer.ts'
import { startStore } from './store.ts'
import { bytesBelow, countIn, differences, expectedOf, filesBelow } from './values.ts'
import type { Values } from './values.ts'

const { values: options } = parseArgs({
  options: {
    megabytes: { type: 'string', default: '200' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string' },
    folder: { type: 'string', default: tmpdir() },
  },
})
const rounds = Number(options.rounds)
const outputs: readonly Output[] = ['plain', 'gzip', 's3']

interface Available {
  readonly peer: Peer
  readonly binary: string
  readonly version: string
}

interface Subject extends Available {
  readonly output: Output
  readonly runs: Run[]
  readonly starts: Run[]
  found: string
  bytes: number
  failed: boolean
}

const folder = await mkdtemp(join(options.folder, 'sluice-bench-'))
try {
  const available = await findPeers()
  const subjects = outputs.flatMap((output) =>
    available
      .filter(({ peer }) => peer.lines[output] !== undefined)
      .map((one): Subject => ({ ...one, output, runs: [], starts: [], found: '', bytes: 0, failed: false })),
  )
  const input = join(folder, 'input.ndjson')
  const one = join(folder, 'one.ndjson')
  await writeInput(input, Number(options.megabytes))
  await writeInput(one, 0)
  const expected = await expectedOf(input)
  // The first round fills the file cache.
  for (let round = -1; round < rounds; round++) {
    for (const subject of subjects) {
      if (subject.failed) continue
      try {
        const start = await doJob(subject, one)
        const job = await doJob(subject, input, round === rounds - 1 ? expected : undefined)
        if (round < 0) continue
        subject.starts.push(start)
        subject.runs.push(job)
      } catch (error) {
        subject.failed = true
        console.log(`${subject.peer.name}: ${subject.output} skipped: ${String(error)}`)
      }
    }
  }
  const done = subjects.filter(({ failed }) => !failed)
  printFigures(done, (await stat(input)).size)
  await printDamage(available)
  for (const { peer } of available) console.log(`${peer.name} cannot: ${peer.cannot.join('; ')}.`)
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function findPeers(): Promise<Available[]> {
  const only = options.only?.split(',')
  const found: Available[] = []
  for (const peer of peers) {
    if (only && !only.includes(peer.name)) continue
    const binary = peer.binaries.map(locate).find((path) => path !== undefined)
    if (binary === undefined) {
      console.log(`${peer.name}: skipped, because ${peer.binaries.join(' or ')} is not on the PATH`)
      continue
    }
    if (peer.isUntried) console.log(`${peer.name}: its configuration was written from the documentation and never run`)
    const { stdout } = await run(peer.version, { ...process.env, BINARY: binary })
    found.push({ peer, binary, version: stdout.trim().split('\n')[0] ?? '' })
  }
  return found
}

function locate(name: string): string | undefined {
  const candidates = isAbsolute(name)
    ? [name]
    : (process.env['PATH'] ?? '').split(delimiter).map((place) => join(place, name))
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** @throws Error if the program fails */
async function doJob(subject: Subject, input: string, expected?: Values): Promise<Run> {
  const { peer, output } = subject
  const out = await emptyFolder('out')
  const store = output === 's3' ? await startStore(await emptyFolder('store')) : undefined
  try {
    const result = await run(peer.lines[output] ?? '', environment(subject, { input, out, s3: store?.env }))
    if (result.status !== 0) throw new Error(`it ended with ${result.status}: ${result.stderr.trim()}`)
    if (expected) {
      subject.found = await differences(expected, store ? store.contents() : filesBelow(out))
      subject.bytes = store ? await store.bytes() : await bytesBelow(out)
    }
    return result
  } finally {
    await store?.close()
  }
}

async function emptyFolder(name: string): Promise<string> {
  const path = join(folder, name)
  await rm(path, { recursive: true, force: true })
  await mkdir(path)
  return path
}

function environment(
  { binary }: Available,
  { input, out, s3 }: { input: string; out: string; s3?: NodeJS.ProcessEnv | undefined },
): NodeJS.ProcessEnv {
  return { ...process.env, ...s3, BINARY: binary, PEERS: resolve('bench/peers'), INPUT: input, OUT: out }
}

function printFigures(subjects: readonly Subject[], bytes: number): void {
  const megabytes = bytes / 1e6
  console.log(`\n${megabytes.toFixed(0)} MB, ${rounds} rounds\n`)
  console.log(
    '| program | output | MB/s per core-second | MB/s | start (core-s) | memory (MB) | written (MB) | records |',
  )
  console.log('| --- | --- | --- | --- | --- | --- | --- | --- |')
  for (const { peer, version, output, runs, starts, found, bytes: written } of subjects) {
    const cells = [
      `${peer.name} ${version}`,
      output,
      (megabytes / median(runs.map(({ cpu }) => cpu))).toFixed(1),
      (megabytes / median(runs.map(({ wall }) => wall))).toFixed(1),
      `${median(starts.map(({ wall }) => wall)).toFixed(2)} (${median(starts.map(({ cpu }) => cpu)).toFixed(2)})`,
      (median(runs.map(({ memory }) => memory)) / 1e6).toFixed(0),
      (written / 1e6).toFixed(0),
      found,
    ]
    console.log(`| ${cells.join(' | ')} |`)
  }
}

function event(id: string): string {
  return JSON.stringify({ id, timestamp: '2026-01-01T00:00:00Z' })
}

/** What becomes of two good records around a damaged one. */
async function printDamage(available: readonly Available[]): Promise<void> {
  const input = join(folder, 'damaged.ndjson')
  await writeFile(input, `${event('a')}\n${event('b').slice(0, -2)}\n${event('c')}\n`)
  console.log('\nA damaged line between two good ones:\n')
  for (const one of available) {
    const out = await emptyFolder('out')
    const { status } = await run(one.peer.lines.plain ?? 'false', environment(one, { input, out }))
    console.log(`- ${one.peer.name} wrote ${await countIn(filesBelow(out))} of 2 and ended with ${status}`)
  }
  console.log()
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? 0
}
