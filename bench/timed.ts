import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { loadavg } from 'node:os'

/** Times of a whole process with its children, in seconds. */
export interface Timed {
  readonly wall: number
  readonly cpu: number
}

/** Runs a line of bash. @throws Error if one of its processes fails. */
export function time(script: string, args: readonly string[]): Timed {
  const timed = `set -eo pipefail; TIMEFORMAT='timed %R %U %S'; time { ${script}; }`
  const { status, stderr } = spawnSync('bash', ['-c', timed, 'bash', ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const [, wall, user, system] = /^timed (\S+) (\S+) (\S+)$/m.exec(stderr) ?? []
  if (status !== 0 || wall === undefined) throw new Error(`${script} ended with ${status}: ${stderr}`)
  return { wall: Number(wall), cpu: Number(user) + Number(system) }
}

/**
 * For `--import`: a module that writes the CPU seconds of its process to a file when the process exits.
 * @param from the start of the process, or that of its run
 */
export function reportCpu(file: string, from: 'process' | 'run' = 'process'): string {
  return `data:text/javascript,${encodeURIComponent(`
import { subscribe } from 'node:diagnostics_channel'
import { writeFileSync } from 'node:fs'
let start
if (${from === 'run'}) subscribe('sluice:run:start', () => (start = process.cpuUsage()))
process.on('exit', () => {
  const { user, system } = process.cpuUsage(start)
  writeFileSync(${JSON.stringify(file)}, String((user + system) / 1e6))
})`)}`
}

/** CPU seconds of the process that has written this file. */
export async function readCpu(file: string): Promise<number> {
  return Number(await readFile(file, 'utf8'))
}

/** The middle one. */
export function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]
}

/**
 * Measures commands in turn (A B C A B C ...), so that the drift of the machine affects all of them, and
 * prints medians, and the ratios to the first one. The first round only warms up the file cache.
 */
export async function compare(
  title: string,
  rounds: number,
  commands: { readonly [name: string]: () => Timed | Promise<Timed> },
): Promise<void> {
  const timed = new Map<string, Timed[]>(Object.keys(commands).map((name) => [name, []]))
  for (let round = -1; round < rounds; round++) {
    for (const [name, command] of Object.entries(commands)) {
      const one = await command()
      if (round >= 0) timed.get(name)?.push(one)
    }
  }
  console.log(`${process.version} ${title}, load average ${loadavg()[0]?.toFixed(1)}`)
  const [first = []] = timed.values()
  for (const [name, all] of timed) {
    for (const of of ['wall', 'cpu'] as const) {
      const ratios = all.map((one, at) => one[of] / (first[at]?.[of] ?? NaN))
      console.log(
        `  ${name.padEnd(7)} ${of.padEnd(4)} ${median(all.map((one) => one[of])).toFixed(2)} s, ` +
          `ratio ${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`,
      )
    }
  }
}
