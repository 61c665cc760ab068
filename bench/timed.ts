import { spawnSync } from 'node:child_process'

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

/** The middle one. */
export function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]
}
