import { SluiceError } from '../../../errors.ts'
import { ArraySplitter } from '../../../record/lines/array-splitter.ts'
import { LineSplitter } from '../../../record/lines/line-splitter.ts'
import type { LineChunk as MarkedRun } from '../../../record/lines/splitter.ts'
import { badAnswer } from '../transport/response-error.ts'
import { parseJson } from '../transport/json-values.ts'

/** Consecutive records of a response as NDJSON lines, and the records behind them that are longer than the limit. */
export type Run = Omit<MarkedRun, 'mark'>

/** Makes runs of a response's bytes, however they are chunked. It holds no more than one run and one record. */
export interface PageCutter {
  push(chunk: Buffer): Iterable<Run>
  /** @throws SluiceError SOURCE_UNAVAILABLE when the response is not complete. */
  end(): Iterable<Run>
  /** Records so far, too long ones included. */
  readonly count: number
  /** JSON text of the values that were asked for, by their dotted keys. */
  readonly captured: ReadonlyMap<string, string>
}

/** For a response that is an array: its elements keep their bytes. */
export class RootArrayCutter implements PageCutter {
  readonly captured: ReadonlyMap<string, string> = new Map()
  readonly #cutter: ArraySplitter
  #started = false

  constructor(maxLine: number) {
    this.#cutter = new ArraySplitter({ name: 'the response', maxLine })
  }

  get count(): number {
    return this.#cutter.count
  }

  push(chunk: Buffer): Iterable<Run> {
    this.#checkStart(chunk)
    return withAnswerErrors(this.#cutter.push(chunk))
  }

  end(): Iterable<Run> {
    if (!this.#started) throw badAnswer('the response is empty')
    return withAnswerErrors(this.#cutter.end())
  }

  #checkStart(chunk: Buffer): void {
    if (this.#started) return
    const first = firstCharacter(chunk)
    if (first !== undefined && first !== '[')
      throw badAnswer('the response is not an array: where an object holds the records, name their path (records)')
    this.#started = first !== undefined
  }
}

/** For NDJSON. */
export class LinesCutter implements PageCutter {
  readonly captured: ReadonlyMap<string, string> = new Map()
  readonly #framer: LineSplitter
  #count = 0

  constructor(maxLine: number) {
    this.#framer = new LineSplitter({ maxLine })
  }

  get count(): number {
    return this.#count
  }

  push(chunk: Buffer): Iterable<Run> {
    return this.#counted(this.#framer.push(chunk))
  }

  end(): Iterable<Run> {
    const runs = this.#framer.end()
    const last = runs.at(-1)
    // A body that ends with its connection may end anywhere: a last line without a line feed must be whole to be believed.
    if (last?.boundary.open === true && last.skipped.length === 0 && parseJson(lastLine(last.bytes)) === undefined)
      throw badAnswer('the response was cut short: its last line is not complete')
    return this.#counted(runs)
  }

  #counted(runs: MarkedRun[]): MarkedRun[] {
    this.#count = runs.at(-1)?.boundary.line ?? this.#count
    return runs
  }
}

/** The first character that is not white space, nor a byte order mark. */
export function firstCharacter(chunk: Buffer): string | undefined {
  return /[^\s\u00ef\u00bb\u00bf]/.exec(chunk.toString('latin1', 0, 4096))?.[0]
}

/** What is damaged may come whole the next time. */
export function* withAnswerErrors(runs: Iterable<Run>): Generator<Run, void> {
  try {
    yield* runs
  } catch (error) {
    throw error instanceof SluiceError ? badAnswer(error.message, error) : error
  }
}

function lastLine(bytes: Buffer): string {
  const end = bytes.length - 1
  return bytes.toString('utf8', bytes.lastIndexOf('\n', end - 1) + 1, end)
}
