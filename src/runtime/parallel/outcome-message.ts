import { DROPPED, SAME } from '../custom-stage.ts'
import type { BatchOutcome, RecordOutcome } from '../custom-stage.ts'
import { UNCHANGED } from '../../record/author/record-view.ts'
import type { LineChange } from '../../record/reuse-lines.ts'

/** A `BatchOutcome` on its way from a thread: numbers, a text, and bytes, which are handed over. */
export interface OutcomeMessage {
  /** For each record: `KEPT`, `GONE`, `REJECTED`, or `LINES` and the number of its lines. */
  readonly kinds: Uint32Array
  /** For each line: its form, and its length in `bytes` or in `members`. */
  readonly lines: Uint32Array
  /** Of all `WHOLE` lines, in order. */
  readonly bytes: Uint8Array
  /** Of all `MEMBERS` lines, in order. A text, since it has been one, and is scanned with others. */
  readonly members: string
  /** Of the rejected records, in order. */
  readonly rejections: readonly (readonly [code: string, detail: string | undefined])[]
  /** Number of lines that come from no record: the last ones. */
  readonly flushed: number
}

const KEPT = 0
const GONE = 1
const REJECTED = 2
const LINES = 3

/** Forms of lines. */
const OWN = 0
const WHOLE = 1
const MEMBERS = 2

export function writeOutcome({ outcomes, flushed }: BatchOutcome): OutcomeMessage {
  const kinds = new Uint32Array(outcomes.length)
  const rejections: [string, string | undefined][] = []
  const changes: LineChange[] = []
  for (let at = 0; at < outcomes.length; at++) {
    const outcome = outcomes[at]
    if (outcome === SAME) kinds[at] = KEPT
    else if (outcome.kind === 'dropped') kinds[at] = GONE
    else if (outcome.kind === 'rejected') {
      kinds[at] = REJECTED
      rejections.push([textOr(outcome.code, ''), textOr(outcome.detail, undefined)])
    } else {
      kinds[at] = LINES + outcome.lines.length
      for (const line of outcome.lines) changes.push(line)
    }
  }
  for (const bytes of flushed) changes.push({ bytes })
  return { kinds, ...writeLines(changes), rejections, flushed: flushed.length }
}

/** The buffers of a message that are handed over and not copied. */
export function buffersOf({ kinds, lines, bytes }: OutcomeMessage): ArrayBuffer[] {
  return [kinds.buffer, lines.buffer, bytes.buffer].filter((buffer) => buffer instanceof ArrayBuffer)
}

export function readOutcome({ kinds, rejections, flushed, ...message }: OutcomeMessage): BatchOutcome {
  const reader = new LineReader(message)
  const outcomes: RecordOutcome[] = []
  let rejection = 0
  for (let at = 0; at < kinds.length; at++) {
    const kind = kinds[at]
    if (kind === KEPT) outcomes.push(SAME)
    else if (kind === GONE) outcomes.push(DROPPED)
    else if (kind === REJECTED) {
      const [code, detail] = rejections[rejection++]
      outcomes.push({ kind: 'rejected', code, detail })
    } else outcomes.push({ kind: 'lines', lines: reader.read(kind - LINES) })
  }
  return { outcomes, flushed: reader.read(flushed).map(({ bytes }) => bytes ?? Buffer.alloc(0)) }
}

function writeLines(changes: readonly LineChange[]): Pick<OutcomeMessage, 'lines' | 'bytes' | 'members'> {
  const lines = new Uint32Array(2 * changes.length)
  const whole: Buffer[] = []
  let members = ''
  for (let at = 0; at < changes.length; at++) {
    const change = changes[at]
    // A new line has its members in it.
    if (change.bytes !== undefined) {
      lines[2 * at] = WHOLE
      lines[2 * at + 1] = change.bytes.length
      whole.push(change.bytes)
    } else if (change.members !== undefined) {
      lines[2 * at] = MEMBERS
      lines[2 * at + 1] = change.members.length
      members += change.members
    } else lines[2 * at] = OWN
  }
  return { lines, bytes: joined(whole), members }
}

/** In memory of its own, unlike that of `Buffer.concat`: it is handed over. */
function joined(parts: readonly Buffer[]): Buffer {
  let size = 0
  for (const part of parts) size += part.length
  const out = Buffer.allocUnsafeSlow(size)
  let position = 0
  for (const part of parts) position += part.copy(out, position)
  return out
}

class LineReader {
  readonly #lines: Uint32Array
  readonly #bytes: Buffer
  readonly #members: string
  #line = 0
  #byte = 0
  #member = 0

  constructor({ lines, bytes, members }: Pick<OutcomeMessage, 'lines' | 'bytes' | 'members'>) {
    this.#lines = lines
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#members = members
  }

  /** The next lines. */
  read(count: number): LineChange[] {
    const changes: LineChange[] = []
    for (let left = count; left > 0; left--) changes.push(this.#next())
    return changes
  }

  #next(): LineChange {
    const form = this.#lines[2 * this.#line]
    const length = this.#lines[2 * this.#line + 1]
    this.#line++
    if (form === OWN) return UNCHANGED
    if (form === WHOLE) return { bytes: this.#bytes.subarray(this.#byte, (this.#byte += length)) }
    return { members: this.#members.slice(this.#member, (this.#member += length)) }
  }
}

/** Custom code may give anything. */
function textOr<Other>(value: unknown, other: Other): string | Other {
  return typeof value === 'string' ? value : other
}
