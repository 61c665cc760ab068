import { formatTime, parseRecordTemplate } from '../../fields/key-template.ts'
import type { KeyTemplate } from '../../fields/key-template.ts'
import { Edit } from '../../record/batch.ts'
import type { Batch } from '../../record/batch.ts'
import { QUOTE } from '../../record/json/ascii.ts'
import { writeJson } from '../../record/json/json-text.ts'
import { parseInstantText } from '../../record/json/instant.ts'
import type { Path, Paths } from '../../record/paths/path.ts'
import { fillPut, reusedPut } from '../../record/put-members.ts'
import type { Put, ReusedPut } from '../../record/put-members.ts'
import { defaultLimits, HIT_STRIDE, ValueKind } from '../../record/scan.ts'
import type { MemberConfig } from './member.ts'

/** A member to set, ready to run. */
interface Member {
  readonly path: Path
  readonly ifAbsent: boolean
  /** The put of its value, valid until the next call; undefined if it cannot be made of this record. */
  readonly valueOf: (batch: Batch, record: number) => Put | undefined
}

interface Names {
  readonly paths: Paths
  readonly pipeline: string
}

export function compileMember({ path, value, from, template, ifAbsent }: MemberConfig, names: Names): Member {
  const target = { path: names.paths.add(path), ifAbsent }
  if (from !== undefined) {
    const source = names.paths.add(from)
    const put = reusedPut(target.path)
    const copyOf = (batch: Batch, record: number): Put | undefined => {
      const hit = batch.hit(record, source)
      if (hit < 0) return undefined
      fillPut(put, batch, hit)
      return put
    }
    return { ...target, valueOf: copyOf }
  }
  if (template !== undefined) {
    return { ...target, valueOf: compileTemplate(target.path, parseRecordTemplate(template), names) }
  }
  const put = { path: target.path, json: writeJson(value, defaultLimits.maxDepth) }
  return { ...target, valueOf: () => put }
}

/** Writes a part of a text, in JSON and without quotes. Returns false if the record has no such value. */
type Part = (batch: Batch, record: number, text: TextWriter) => boolean

function compileTemplate(target: Path, { parts }: KeyTemplate, { paths, pipeline }: Names): Member['valueOf'] {
  const compiled = parts.map((part): Part => {
    if (part.kind !== 'record') return constant(part.kind === 'literal' ? part.text : pipeline)
    const { format } = part
    const path = paths.add(part.path)
    if (format === undefined) return (batch, record, text) => writeValue(batch, batch.hit(record, path), text)
    return (batch, record, text) => {
      const hit = batch.hit(record, path)
      const instant = isScalar(batch, hit) ? parseInstantText(batch.text(hit)) : NaN
      if (Number.isNaN(instant)) return false
      text.writeAll(innerOf(formatTime(format, instant)))
      return true
    }
  })
  const text = new TextWriter()
  const put = reusedPut(target)
  return (batch, record) => {
    text.start()
    for (let at = 0; at < compiled.length; at++) if (!compiled[at](batch, record, text)) return undefined
    text.fill(put)
    return put
  }
}

function constant(value: string): Part {
  const inner = innerOf(value)
  return (_batch, _record, text) => {
    text.writeAll(inner)
    return true
  }
}

function innerOf(value: string): Buffer {
  return Buffer.from(JSON.stringify(value).slice(1, -1))
}

/** A string without escapes is the same in any JSON string. */
function writeValue(batch: Batch, hit: number, text: TextWriter): boolean {
  if (!isScalar(batch, hit)) return false
  if (batch.kind(hit) === ValueKind.escaped) {
    text.writeAll(innerOf(batch.text(hit)))
    return true
  }
  const { hits } = batch.index
  const isKept = batch.edits[hit] === Edit.keep
  const json = isKept ? batch.bytes : batch.raw(hit)
  const start = isKept ? hits[HIT_STRIDE * hit + 2] : 0
  const end = isKept ? hits[HIT_STRIDE * hit + 3] : json.length
  const quote = json[start] === QUOTE ? 1 : 0
  text.write(json, start + quote, end - quote)
  return true
}

function isScalar(batch: Batch, hit: number): boolean {
  if (hit < 0) return false
  const kind = batch.kind(hit)
  return kind !== ValueKind.object && kind !== ValueKind.array && kind !== ValueKind.null
}

/** Writes one JSON string after the other into the same memory. */
class TextWriter {
  #bytes: Buffer = Buffer.alloc(256, '"')
  #length = 1

  start(): void {
    this.#length = 1
  }

  writeAll(source: Buffer): void {
    this.write(source, 0, source.length)
  }

  write(source: Buffer, start: number, end: number): void {
    const length = this.#length + end - start
    if (length >= this.#bytes.length) {
      const more = Buffer.allocUnsafeSlow(2 * length)
      this.#bytes.copy(more, 0, 0, this.#length)
      this.#bytes = more
    }
    // Most parts are so short that a loop is faster than a call.
    if (end - start > MAX_LOOP_BYTES) source.copy(this.#bytes, this.#length, start, end)
    else for (let at = start; at < end; at++) this.#bytes[this.#length + at - start] = source[at]
    this.#length = length
  }

  /** Ends the text. It is valid until the next `start`. */
  fill(put: ReusedPut): void {
    this.#bytes[this.#length++] = QUOTE
    put.json = this.#bytes
    put.end = this.#length
  }
}

const MAX_LOOP_BYTES = 32
