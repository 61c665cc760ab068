/**
 * What does observation cost? Whole processes run the same pipeline (validate, redact, dedup) on the same
 * archive, in pairs: one that nobody observes, and one that somebody does. The order within a pair alternates.
 * Times count from the start of the run, as in its report. Runs of one pair differ by more than a hundredth, so
 * the result is the mean of all ratios and its standard error.
 *
 * `--by metrics`: with `--metrics`, which is scraped each second (a Prometheus asks every 15).
 * `--by page`: a `sluice ui` of another process watches the run, and a viewer is on its page.
 *
 * `npm run build && node build/bench/observation.js [--by metrics] [--records 2000000] [--pairs 10]`
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { Report } from '../src/observe/report.ts'
import { createEventSet } from '../test/servers/events.ts'
import { writeArchive } from '../test/servers/events/archive.ts'
import { freePort } from '../test/support/listen.ts'
import { readCpu, reportCpu } from './timed.ts'
import type { Timed } from './timed.ts'

/** Milliseconds between two scrapes. */
const SCRAPE = 1000

const { values } = parseArgs({
  options: {
    by: { type: 'string', default: 'metrics' },
    records: { type: 'string', default: '2000000' },
    pairs: { type: 'string', default: '10' },
  },
})
const count = Number(values.records)
/** A page sees a run by its state, which a run to stdout does not have. */
const PIPELINE = values.by === 'page' ? 'redact-to-file' : 'redact'
const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
/** The states of the runs that are observed. */
const SEEN = join(folder, 'seen')
const viewer = values.by === 'page' ? await openViewer(SEEN) : undefined
try {
  for (const shape of ['one', 'mixed'] as const) {
    const input = join(folder, 'input.ndjson')
    const start = Date.UTC(2026, 0, 1)
    const end = start + 86_400_000
    await writeArchive(input, createEventSet({ seed: 3, count, start, end, shape, duplicates: 0.05 }))
    const pairs: { readonly without: Timed; readonly with: Timed }[] = []
    // The first pair warms up the file cache.
    for (let pair = -1; pair < Number(values.pairs); pair++) {
      const [first, second] = [await run(input, pair % 2 !== 0), await run(input, pair % 2 === 0)]
      if (pair >= 0) pairs.push(pair % 2 === 0 ? { without: first, with: second } : { without: second, with: first })
    }
    console.log(
      `${process.version} ${shape}: ${count} records, ${pairs.length} pairs, observed by ${values.by} / not observed`,
    )
    for (const of of ['wall', 'cpu'] as const) {
      const ratios = pairs.map((pair) => pair.with[of] / pair.without[of])
      const error = Math.sqrt(mean(ratios.map((ratio) => (ratio - mean(ratios)) ** 2)) / (ratios.length - 1))
      const time = mean(pairs.map((pair) => pair.without[of])).toFixed(2)
      console.log(
        `  ${of.padEnd(4)} ${time} s without, ratio ${mean(ratios).toFixed(3)}, standard error ${error.toFixed(3)}`,
      )
    }
  }
} finally {
  await viewer?.end()
  await rm(folder, { recursive: true })
}

async function run(input: string, isObserved: boolean): Promise<Timed> {
  const [cpu, report] = ['cpu', 'report.json'].map((name) => join(folder, name))
  const state = isObserved ? SEEN : join(folder, 'unseen')
  const args = ['run', `bench/${PIPELINE}.yaml`, '--state', state, '--report', report, '--set', `source.path=${input}`]
  const out = join(folder, 'out')
  if (viewer) args.push('--set', `sink.path=${out}`)
  const observer = isObserved && !viewer ? await scrapeRun() : undefined
  const command = ['--import', reportCpu(cpu, 'run'), 'build/dist/main.cjs', ...args, ...(observer?.args ?? [])]
  const child = spawn(process.execPath, command, { stdio: 'ignore' })
  const [code]: (number | null)[] = await once(child, 'exit')
  observer?.end()
  if (code !== 0) throw new Error(`a run has ended with ${code}`)
  const { seconds }: Report = JSON.parse(await readFile(report, 'utf8'))
  for (const made of [state, out]) await rm(made, { recursive: true, force: true })
  return { wall: seconds, cpu: await readCpu(cpu) }
}

interface Observer {
  /** Options of the run that it observes. */
  readonly args: readonly string[]
  /** Ends what belongs to one run. */
  readonly end: () => void
}

async function scrapeRun(): Promise<Observer> {
  const port = await freePort()
  const timer = setInterval(() => void scrape(port), SCRAPE)
  return { args: ['--metrics', `127.0.0.1:${port}`], end: () => clearInterval(timer) }
}

/**
 * Starts a page for the runs whose states are in a folder, and a viewer who takes every live message. They are
 * there for all runs, those that they do not see included: what the page does by itself is the same for both.
 */
async function openViewer(states: string): Promise<{ readonly end: () => Promise<void> }> {
  const port = await freePort()
  const token = 'of-the-bench-0123456789'
  const file = join(folder, 'token')
  await writeFile(file, token, { mode: 0o600 })
  const args = ['ui', '--port', String(port), '--state', states, '--token-file', file]
  const server = spawn(process.execPath, [resolve('build/dist/main.cjs'), ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await once(server.stdout, 'data')
  const leaving = new AbortController()
  const response = await fetch(`http://127.0.0.1:${port}/api/v1/live?pipeline=${PIPELINE}`, {
    headers: { authorization: `Bearer ${token}` },
    signal: leaving.signal,
  })
  if (!response.ok) throw new Error(`the page answers with ${response.status}`)
  let bytes = 0
  const reading = async (): Promise<void> => {
    for await (const part of response.body ?? []) bytes += part.length
  }
  const ended = reading().catch(() => undefined)
  return {
    async end() {
      leaving.abort()
      await ended
      server.kill()
      await once(server, 'exit')
      if (bytes < 10_000) throw new Error('the viewer has seen no run')
    },
  }
}

async function scrape(port: number): Promise<void> {
  try {
    await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  } catch {
    // It has just begun, or has ended.
  }
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, one) => sum + one, 0) / numbers.length
}
