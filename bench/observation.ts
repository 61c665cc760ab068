/**
 * What does observation cost? Two whole processes run the same pipeline (validate, redact, dedup) on the same
 * archive, one of them with `--metrics`, scraped each second; a Prometheus asks every 15 seconds. They
 * take turns of 40 ms: one is stopped (SIGSTOP) while the other one runs, so that the drift of the machine
 * affects both. The time of a process is the sum of its turns, from its start to its end.
 *
 * `npm run build && node build/bench/observation.js [--records 2000000] [--rounds 5] [--turn 40]`; not on Windows.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createEventSet } from '../test/servers/events.ts'
import { writeArchive } from '../test/servers/events/archive.ts'
import { freePort } from '../test/support/listen.ts'
import { median, readCpu, reportCpu } from './timed.ts'
import type { Timed } from './timed.ts'

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '2000000' },
    rounds: { type: 'string', default: '5' },
    turn: { type: 'string', default: '40' },
  },
})
const count = Number(values.records)
const rounds = Number(values.rounds)
const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
try {
  for (const shape of ['one', 'mixed'] as const) {
    const input = join(folder, 'input.ndjson')
    const start = Date.UTC(2026, 0, 1)
    await writeArchive(
      input,
      createEventSet({ seed: 3, count, start, end: start + 86_400_000, shape, duplicates: 0.05 }),
    )
    const pairs: { readonly without: Timed; readonly with: Timed }[] = []
    // The first round warms up the file cache.
    for (let round = -1; round < rounds; round++) {
      const pair = await compare(input)
      if (round >= 0) pairs.push(pair)
    }
    console.log(`${process.version} ${shape}: ${count} records, ${rounds} rounds, with metrics / without`)
    for (const of of ['wall', 'cpu'] as const) {
      const ratios = pairs.map((pair) => pair.with[of] / pair.without[of])
      console.log(
        `  ${of.padEnd(4)} ${median(pairs.map((pair) => pair.without[of])).toFixed(2)} s without, ` +
          `ratio ${median(ratios).toFixed(3)} (${Math.min(...ratios).toFixed(3)} to ${Math.max(...ratios).toFixed(3)})`,
      )
    }
  }
} finally {
  await rm(folder, { recursive: true })
}

async function compare(input: string): Promise<{ readonly without: Timed; readonly with: Timed }> {
  const port = await freePort()
  const runs = [
    { name: 'without', ...startRun('without', input, []), time: 0 },
    { name: 'with', ...startRun('with', input, ['--metrics', `127.0.0.1:${port}`]), time: 0 },
  ]
  // Whoever begins is chosen by chance: its turn is one longer.
  if (Math.random() < 0.5) runs.reverse()
  for (const { child } of runs) child.kill('SIGSTOP')
  let scraped = performance.now()
  for (let active = runs.filter(isRunning); active.length > 0; active = runs.filter(isRunning)) {
    for (const run of active) {
      const { child, ended, name } = run
      const started = performance.now()
      child.kill('SIGCONT')
      if (name === 'with' && started - scraped > 1000) {
        scraped = started
        void fetch(`http://127.0.0.1:${port}/metrics`)
          .then((response) => response.text())
          .catch(() => undefined)
      }
      await Promise.race([ended, setTimeout(Number(values.turn))])
      child.kill('SIGSTOP')
      run.time += performance.now() - started
    }
  }
  const [without, observed] = await Promise.all(
    ['without', 'with'].map(async (name) => {
      const run = runs.find((one) => one.name === name)
      return { wall: (run?.time ?? NaN) / 1000, cpu: await readCpu(join(folder, `${name}.cpu`)) }
    }),
  )
  for (const { child, name } of runs) {
    if (child.exitCode !== 0) throw new Error(`the run ${name} metrics has ended with ${child.exitCode}`)
    await rm(join(folder, name), { recursive: true, force: true })
  }
  return { without, with: observed }
}

function startRun(
  name: string,
  input: string,
  more: readonly string[],
): { child: ChildProcess; ended: Promise<unknown> } {
  const child = spawn(
    process.execPath,
    [
      '--import',
      reportCpu(join(folder, `${name}.cpu`)),
      'build/dist/main.cjs',
      'run',
      'bench/redact.yaml',
      '--state',
      join(folder, name),
      '--set',
      `source.path=${input}`,
      ...more,
    ],
    { stdio: 'ignore' },
  )
  return { child, ended: once(child, 'exit') }
}

function isRunning({ child }: { readonly child: ChildProcess }): boolean {
  return child.exitCode === null && child.signalCode === null
}
