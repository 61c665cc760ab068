import { randomUUID } from 'node:crypto'
import { recordLines } from '../../inspect/record-lines.ts'
import { Refused } from '../failures.ts'
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
    return { sample, from, records: recordLines(bytes).length, bytes: bytes.length, isCut }
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
    const all = recordLines(bytes)
    return numbers.map((number) => {
      const line = all.at(number)
      if (line !== undefined) return line.bytes.toString().replace(/\r$/, '')
      throw new Refused(422, 'USAGE', `the samples have no record ${number}`, { hint: 'choose others' })
    })
  }
}

/** Bytes of a sample. */
const MOST_BYTES = 8 * 1024 * 1024
/** Samples that are kept. */
const MOST = 8
