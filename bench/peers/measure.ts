import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** One run of a line of bash, with all its processes. */
export interface Run {
  /** Seconds. */
  readonly wall: number
  /** Core-seconds, user and system. */
  readonly cpu: number
  /** Bytes in RAM: the largest of each process, added up. Sampled, so too small for a short run. */
  readonly memory: number
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export async function run(line: string, env: NodeJS.ProcessEnv): Promise<Run> {
  const timed = `set -eo pipefail; TIMEFORMAT='timed %R %U %S'; time { ${line}; }`
  const child = spawn('bash', ['-c', timed], { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const ended = once(child, 'close').then(() => true)
  const peaks = new Map<string, number>()
  do await samplePeaks(child.pid ?? 0, peaks)
  while (!(await Promise.race([ended, sleep(20, false)])))
  const [, wall, user, system] = /^timed (\S+) (\S+) (\S+)$/m.exec(stderr) ?? []
  const memory = [...peaks.values()].reduce((sum, peak) => sum + peak, 0)
  const cpu = Number(user) + Number(system)
  return { wall: Number(wall), cpu, memory, status: child.exitCode ?? -1, stdout, stderr }
}

/** Keeps the peak of each process of a process group. */
async function samplePeaks(group: number, peaks: Map<string, number>): Promise<void> {
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
    const [, , ofGroup] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (Number(ofGroup) !== group) continue
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
    const peak = Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024
    peaks.set(pid, Math.max(peaks.get(pid) ?? 0, peak))
  }
}
