import type { RejectCode } from '../../errors.ts'
import { SluiceError } from '../../errors.ts'
import type { Batch } from '../../record/batch.ts'
import { RecordState } from '../../record/batch.ts'
import { keepSpelling } from '../../record/keep-spelling.ts'
import { Paths } from '../../record/paths/path.ts'
import { rebuild } from '../../record/rebuild.ts'
import { joinLines } from '../../record/reuse-lines.ts'
import type { LineChange, NewLine } from '../../record/reuse-lines.ts'
import { FAULT_MASK, LineFault, RECORD_STRIDE, scanWhole } from '../../record/scan.ts'
import type { ScanLimits } from '../../record/scan.ts'

/** The live records of a batch, as they are written to a program. */
export interface Sent {
  readonly batch: Batch
  /** Their numbers in the batch. */
  readonly records: readonly number[]
  readonly lines: readonly Buffer[]
  /** All lines, each with a line feed. */
  readonly bytes: Buffer
}

export function linesFor(batch: Batch): Sent {
  const records: number[] = []
  const lines: Buffer[] = []
  for (let record = 0; record < batch.count; record++) {
    if (batch.states[record] !== RecordState.live) continue
    records.push(record)
    lines.push(batch.line(record))
  }
  return { batch, records, lines, bytes: joinLines(lines) }
}

/** The lines that a program has written for a batch. */
export class Answers {
  readonly lines: Buffer[] = []
  readonly #limits: ScanLimits
  /** Numbers of the lines that are longer than `limits.maxLine`. */
  readonly #long = new Set<number>()
  #faults: (string | undefined)[] | undefined
  /** Bytes of memory. */
  bytes = 0

  constructor({ limits }: Batch) {
    this.#limits = limits
  }

  /** `length` is that of the line before it was cut. */
  add(line: Buffer, length: number): void {
    if (length > this.#limits.maxLine) this.#long.add(this.lines.length)
    this.lines.push(line)
    this.bytes += line.length + LINE_COST
  }

  /** The line is empty or `null`: the program has dropped the record. */
  isDrop(at: number): boolean {
    const line = this.lines[at]
    return line.length <= LONGEST_DROP && DROP.test(line.toString('latin1'))
  }

  /** Why a line is not a record: `not JSON`. Undefined if it is one. */
  faultOf(at: number): string | undefined {
    this.#faults ??= this.#findFaults()
    return this.#faults[at]
  }

  #findFaults(): (string | undefined)[] {
    const faults: (string | undefined)[] = this.lines.map((_, at) =>
      this.#long.has(at) ? 'longer than limits.maxLine' : undefined,
    )
    // Blank lines are no records for a scan.
    const scanned = this.lines.flatMap((_, at) => (this.#long.has(at) || this.isDrop(at) ? [] : [at]))
    const bytes = joinLines(scanned.map((at) => this.lines[at]))
    const { records, count } = scanWhole(bytes, new Paths(), this.#limits)
    if (count !== scanned.length)
      throw new SluiceError('INTERNAL', 'the lines of a program were scanned as other lines')
    for (const [number, at] of scanned.entries()) {
      faults[at] = FAULTS.get(records[RECORD_STRIDE * number + 3] & FAULT_MASK)
    }
    return faults
  }
}

/** Bytes of memory that a line takes besides its own. */
const LINE_COST = 100

/** An empty line or `null`, with space around it. */
const DROP = /^[ \t\r]*(?:null[ \t\r]*)?$/
const LONGEST_DROP = 32

const FAULTS = new Map<number, string>([
  [LineFault.notObject, 'JSON, but not an object'],
  [LineFault.depth, 'nested deeper than limits.maxDepth'],
  [LineFault.length, 'longer than limits.maxLine'],
  [LineFault.utf8, 'not UTF-8'],
  [LineFault.syntax, 'not JSON'],
  [LineFault.complex, 'too complex'],
])

const REJECT: RejectCode = 'OUTPUT_INVALID'

/**
 * Applies the answers of a program that writes one line for each record. A record whose answer is not a
 * record is rejected as it was. Returns undefined if the batch itself has all changes.
 */
export function applyOne({ batch, records, lines }: Sent, answers: Answers, stage: string): Batch[] | undefined {
  const made: NewLine[] = []
  let isChanged = false
  for (const [at, from] of records.entries()) {
    const fault = answers.isDrop(at) ? undefined : answers.faultOf(at)
    if (answers.isDrop(at)) batch.drop(from, stage)
    else if (fault !== undefined) batch.reject(from, REJECT, stage, `the program answered with a line that is ${fault}`)
    else {
      const change = keepSpelling(lines[at], answers.lines[at])
      if (lengthOf(change, lines[at]) > batch.limits.maxLine) {
        batch.reject(from, REJECT, stage, 'with its changes the record would be longer than limits.maxLine')
        continue
      }
      if (change.bytes !== undefined || change.members !== undefined) isChanged = true
      made.push({ from, ...change })
    }
  }
  return isChanged ? rebuild(batch, made, stage) : undefined
}

/**
 * Applies the output of a program that drops and adds records. An output with the values of a record is
 * that record. The others take the places of the records between two that were found, in order: missing
 * ones count as dropped, extra ones as added.
 * @throws SluiceError PROGRAM_FAILED for a line that is not a record: no record can be named for it
 */
export function applyAny({ batch, records, lines }: Sent, answers: Answers, stage: string): Batch[] | undefined {
  const outputs = answers.lines.flatMap((line, at) => {
    if (answers.isDrop(at)) return []
    const fault = answers.faultOf(at)
    if (fault !== undefined) throw garbage(stage, at, fault)
    return [line]
  })
  const places = findPlaces(lines, outputs)
  const made: NewLine[] = []
  const isKept = new Set<number>()
  let isChanged = false
  for (const [at, output] of outputs.entries()) {
    const { record, isSame } = places[at]
    const from = records[record]
    const isFirst = !isKept.has(record)
    isKept.add(record)
    const change = isSame ? keepSpelling(lines[record], output) : { bytes: output }
    if (change.bytes !== undefined || change.members !== undefined || !isFirst) isChanged = true
    // A record that the program has made is not a duplicate of the one that it stands beside.
    made.push({ from, ...change, ...(!isFirst && { digestOf: batch.count }) })
  }
  for (const [at, record] of records.entries()) if (!isKept.has(at)) batch.drop(record, stage)
  if (!isChanged) return undefined
  return rebuild(batch, made, stage)
}

/** Where an output stands: at which of the records, and whether it has the values of that record. */
interface Place {
  readonly record: number
  readonly isSame: boolean
}

function findPlaces(lines: readonly Buffer[], outputs: readonly Buffer[]): Place[] {
  const positions = new Map<string, number[]>()
  for (const [at, line] of lines.entries()) {
    const key = valueOf(line)
    const known = positions.get(key)
    if (known) known.push(at)
    else positions.set(key, [at])
  }
  const places: Place[] = []
  let next = 0
  let pending = 0
  const placePending = (end: number): void => {
    // Nothing stands before the first record, and extra ones stand at the last.
    for (let count = 0; count < pending; count++) {
      places.push({ record: Math.max(0, Math.min(next + count, Math.max(end - 1, next - 1))), isSame: false })
    }
    pending = 0
  }
  for (const output of outputs) {
    const found = positions.get(valueOf(output))?.find((at) => at >= next)
    if (found === undefined) {
      pending++
      continue
    }
    placePending(found)
    places.push({ record: found, isSame: true })
    next = found + 1
  }
  placePending(lines.length)
  return places
}

/** Equal for two lines with the same values, however they are spelled. */
function valueOf(line: Buffer): string {
  return JSON.stringify(JSON.parse(line.toString()))
}

function lengthOf({ bytes, members }: LineChange, line: Buffer): number {
  return members === undefined ? (bytes ?? line).length : line.length + Buffer.byteLength(members) + 1
}

/** The program wrote a line, counted from 0, that is not a record. */
export function garbage(stage: string, at: number, fault: string): SluiceError {
  return new SluiceError('PROGRAM_FAILED', `stage ${stage}: line ${at + 1} of the program's output is ${fault}`, {
    hint: 'a program must write records only to stdout, and anything else to stderr',
  })
}
