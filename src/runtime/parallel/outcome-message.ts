import { DROPPED, SAME } from '../custom-stage.ts'
import type { BatchOutcome, RecordOutcome } from '../custom-stage.ts'
import type { LineChange } from '../../record/reuse-lines.ts'

/** A `BatchOutcome` on its way from a thread: numbers and one block of bytes, which is handed over. */
export interface OutcomeMessage {
  /** For each record: `KEPT`, `GONE`, `REJECTED`, or `LINES` and the number of its lines. */
  readonly kinds: Uint32Array
  /** For each line: its form, and its length in `bytes`. */
  readonly lines: Uint32Array
  readonly bytes: Uint8Array
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
  for (const [at, outcome] of outcomes.entries()) {
    if (outcome === SAME) kinds[at] = KEPT
    else if (outcome.kind === 'dropped') kinds[at] = GONE
    else if (outcome.kind === 'rejected') {
      kinds[at] = REJECTED
      rejections.push([textOr(outcome.code, ''), textOr(outcome.detail, undefined)])
    } else {
      kinds[at] = LINES + outcome.lines.length
      changes.push(...outcome.lines)
    }
  }
  for (const bytes of flushed) changes.push({ bytes })
  return { kinds, ...writeLines(changes), rejections, flushed: flushed.length }
}

/** The buffers of a message that are handed over and not copied. */
export function buffersOf({ kinds, lines, bytes }: OutcomeMessage): ArrayBuffer[] {
  return [kinds.buffer, lines.buffer, bytes.buffer].filter((buffer) => buffer instanceof ArrayBuffer)
}

export function readOutcome({ kinds, lines, bytes, rejections, flushed }: OutcomeMessage): BatchOutcome {
  const content = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let line = 0
  let position = 0
  let rejection = 0
  const next = (): LineChange => {
    const form = lines[2 * line]
    const start = position
    position += lines[2 * line + 1]
    line++
    if (form === OWN) return {}
    return form === WHOLE
      ? { bytes: content.subarray(start, position) }
      : { members: content.toString('utf8', start, position) }
  }
  const outcomes = Array.from(kinds, (kind): RecordOutcome => {
    if (kind === KEPT) return SAME
    if (kind === GONE) return DROPPED
    if (kind !== REJECTED) return { kind: 'lines', lines: Array.from({ length: kind - LINES }, next) }
    const [code, detail] = rejections[rejection++]
    return { kind: 'rejected', code, detail }
  })
  return { outcomes, flushed: Array.from({ length: flushed }, () => next().bytes ?? Buffer.alloc(0)) }
}

function writeLines(changes: readonly LineChange[]): Pick<OutcomeMessage, 'lines' | 'bytes'> {
  const lines = new Uint32Array(2 * changes.length)
  let size = 0
  for (const { bytes, members } of changes) size += bytes?.length ?? 3 * (members?.length ?? 0)
  const out = Buffer.allocUnsafeSlow(size)
  let position = 0
  for (const [at, { bytes, members }] of changes.entries()) {
    const start = position
    // A new line has its members in it.
    if (bytes !== undefined) position += bytes.copy(out, position)
    else if (members !== undefined) position += out.write(members, position)
    lines[2 * at] = bytes !== undefined ? WHOLE : members !== undefined ? MEMBERS : OWN
    lines[2 * at + 1] = position - start
  }
  return { lines, bytes: out.subarray(0, position) }
}

/** Custom code may give anything. */
function textOr<Other>(value: unknown, other: Other): string | Other {
  return typeof value === 'string' ? value : other
}
