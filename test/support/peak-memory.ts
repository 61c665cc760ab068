import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * The most memory that a process had in RAM, in bytes: asked again and again, since it is gone with
 * the process.
 */
export async function peakOf(running: { readonly pid: number; readonly ended: Promise<unknown> }): Promise<number> {
  let peak = 0
  for (;;) {
    const status = await readFile(`/proc/${running.pid}/status`, 'utf8').catch(() => '')
    peak = Math.max(peak, Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024)
    const ended = await Promise.race([running.ended.then(() => true), sleep(20).then(() => false)])
    if (ended) return peak
  }
}
