import { Latest } from '../observe/latest.ts'
import type { StatusSnapshot } from '../observe/status/snapshot.ts'
import { SECOND } from '../time.ts'
import type { Series } from './api.ts'
import { alertSampleOf } from './sample.ts'
import type { AlertSample, Sample } from './sample.ts'

/** What the runs of a pipeline were like in the last hour, a sample for each second. */
export class History {
  readonly #samples = new Latest<AlertSample>(MOST)

  /** At most one snapshot of a second counts. */
  add(snapshot: StatusSnapshot): void {
    const { last } = this.#samples
    if (last !== undefined && Math.floor(last.at / SECOND) === Math.floor(snapshot.takenAt / SECOND)) return
    this.#samples.add(alertSampleOf(snapshot))
  }

  get series(): Series {
    const samples = this.#samples.items
    return {
      at: samples.map(({ at }) => at),
      recordsPerSecond: samples.map((one) => one.recordsPerSecond),
      bytesPerSecond: samples.map((one) => one.bytesPerSecond),
      freshnessSeconds: samples.map((one) => one.freshnessSeconds),
      waitingBytes: samples.map((one) => one.waitingBytes),
      latenessSeconds: samples.map((one) => one.latenessSeconds),
      rejected: samples.map((one) => one.rejected),
      rejects: rejectsOf(samples),
    }
  }

  /** Samples of the last hour, the oldest first. */
  get samples(): readonly AlertSample[] {
    return this.#samples.items
  }

  /** Records per second of the last seconds until now, 0 where nothing ran. */
  sparkline(now: number): number[] {
    const end = Math.floor(now / SECOND)
    const rates = Array.from({ length: SPARKLINE }, () => 0)
    for (const { at, recordsPerSecond } of this.#samples.items.slice(-SPARKLINE)) {
      const place = SPARKLINE - 1 - (end - Math.floor(at / SECOND))
      if (place >= 0 && place < SPARKLINE) rates[place] = Math.round(recordsPerSecond)
    }
    return rates
  }
}

/** A column for each of the codes with most rejects. */
function rejectsOf(samples: readonly Sample[]): Series['rejects'] {
  const most = new Map<string, number>()
  for (const { rejects } of samples)
    for (const [code, count] of Object.entries(rejects)) most.set(code, Math.max(count, most.get(code) ?? 0))
  const codes = [...most].toSorted(([, one], [, other]) => other - one).slice(0, MOST_CODES)
  return Object.fromEntries(codes.map(([code]) => [code, samples.map(({ rejects }) => rejects[code] ?? 0)]))
}

const MOST_CODES = 10

/** Samples: an hour. */
const MOST = 3600
/** Seconds. */
const SPARKLINE = 120
