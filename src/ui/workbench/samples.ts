import { randomUUID } from 'node:crypto'
import { LINE_FEED } from '../../record/json/ascii.ts'
import { Refused } from '../refused.ts'
import type { SampleAnswer } from './api.ts'

interface Sample {
  readonly bytes: Buffer
}

/** Records to try, which stay in memory: the latest ones, under a budget. */
export class Samples {
  readonly #samples = new Map<string, Sample>()

  /** @throws Refused if they are too large */
  add(from: string, bytes: Buffer, isCut = false): SampleAnswer {
    if (bytes.length > MOST_BYTES)
      throw new Refused(413, 'USAGE', `the samples have ${bytes.length} bytes, but the limit is ${MOST_BYTES}`, {
        hint: 'take fewer records: the way of each one is shown',
      })
    const sample = randomUUID()
    this.#samples.set(sample, { bytes })
    const [oldest] = this.#samples.keys()
    if (this.#samples.size > MOST && oldest !== undefined) this.#samples.delete(oldest)
    return { sample, from, records: linesIn(bytes), bytes: bytes.length, isCut }
  }

  /** @throws Refused if it is not kept any more */
  get(id: string): Sample {
    const found = this.#samples.get(id)
    if (found === undefined)
      throw new Refused(410, 'USAGE', 'these samples are not kept any more', { hint: 'choose them again' })
    return found
  }

  /**
   * Lines, as text.
   * @param numbers from 0
   * @throws Refused if there is no such line, or the samples are not kept any more
   */
  lines(id: string, numbers: readonly number[]): string[] {
    const { bytes } = this.get(id)
    const all = bytes.toString().split('\n')
    return numbers.map((number) => {
      const line = number < linesIn(bytes) ? all[number] : undefined
      if (line !== undefined) return line.replace(/\r$/, '')
      throw new Refused(422, 'USAGE', `the samples have no record ${number}`, { hint: 'choose others' })
    })
  }
}

/** Bytes of a sample. */
const MOST_BYTES = 8 * 1024 * 1024
/** Samples that are kept. */
const MOST = 8

function linesIn(bytes: Buffer): number {
  let lines = 0
  for (let at = bytes.indexOf(LINE_FEED); at >= 0; at = bytes.indexOf(LINE_FEED, at + 1)) lines++
  return bytes.length > 0 && bytes.at(-1) !== LINE_FEED ? lines + 1 : lines
}
