import type { RejectCode } from '../../errors.ts'
import type { Batch } from '../../record/batch.ts'
import { Edit } from '../../record/edits.ts'
import { OPEN_OBJECT } from '../../record/json/ascii.ts'
import { readNames, skipSpace, skipSpaceBack } from '../../record/json/walk.ts'
import { putMembers, refusalOf } from '../../record/put-members.ts'
import { parsePath } from '../../record/paths/grammar.ts'
import type { Path, Paths } from '../../record/paths/path.ts'
import { ValueKind } from '../../record/scan.ts'
import { createFormat } from './formats.ts'
import type { Format, FormatConfig } from './formats.ts'
import type { Parsed } from './pairs.ts'

export interface ParseConfig extends FormatConfig {
  readonly path: string
  readonly to?: string | undefined
  readonly merge: boolean
  readonly onError: 'reject' | 'leave'
}

export interface Refusal {
  readonly code: RejectCode
  readonly detail: string
}

/** A text that was parsed. */
interface Value {
  readonly hit: number
  readonly json: Buffer
}

/** Reads the texts of a batch, and writes their values into records. */
export class Parser {
  readonly #text: string
  readonly #source: Path
  readonly #target: Path | undefined
  readonly #merge: boolean
  readonly #leaves: boolean
  readonly #config: ParseConfig
  #format: Format | undefined
  #count = 0
  #hits: number[] = []
  #parsed: readonly Parsed[] = []

  constructor(config: ParseConfig, paths: Paths) {
    this.#config = config
    this.#text = config.path
    this.#source = paths.add(config.path)
    this.#target = config.to === undefined ? undefined : paths.add(config.to)
    this.#merge = config.merge
    this.#leaves = config.onError === 'leave'
  }

  /** How many texts it has seen. */
  get count(): number {
    return this.#count
  }

  /**
   * Parses the texts of these records. Comes first for each batch, before anything is edited.
   * @returns by place in `records`, the number of its first text; one more entry for the end
   */
  read(batch: Batch, records: readonly number[]): readonly number[] {
    // A query for a new path makes the batch scan again, and changes the numbers of hits.
    for (const path of [this.#source, this.#target ?? this.#source]) if (batch.count > 0) batch.hit(0, path)
    const texts: string[] = []
    const first: number[] = []
    this.#hits = []
    for (const record of records) {
      first.push(texts.length)
      for (const hit of this.#hitsOf(batch, record)) {
        const kind = batch.kind(hit)
        if (kind !== ValueKind.string && kind !== ValueKind.escaped) continue
        texts.push(batch.text(hit))
        this.#hits.push(hit)
      }
    }
    first.push(texts.length)
    this.#count += texts.length
    this.#format ??= createFormat(this.#config, batch.limits.maxDepth - this.#level())
    this.#parsed = this.#format(texts)
    return first
  }

  /**
   * Writes the values of the texts in `[first, last)` into a record, as edits.
   * @returns why the record is rejected; it then has no edit of this call
   */
  write(batch: Batch, record: number, first: number, last: number): Refusal | undefined {
    const values: Value[] = []
    for (let at = first; at < last; at++) {
      const parsed = this.#parsed[at]
      const problem = 'problem' in parsed ? parsed.problem : this.#problemOf(parsed.json)
      if ('json' in parsed && problem === undefined) values.push({ hit: this.#hits[at], json: parsed.json })
      else if (!this.#leaves) return { code: 'PARSE_FAILED', detail: `${this.#text}: ${problem}` }
    }
    if (values.length === 0) return undefined
    if (this.#target !== undefined) return put(batch, record, this.#target, values[0].json)
    return this.#merge ? this.#mergeInto(batch, record, values[0].json) : this.#replace(batch, record, values)
  }

  /**
   * Where a reader sees one text, that one. Where the text itself goes, every copy of a duplicate key:
   * `redact` then finds what is in them.
   */
  #hitsOf(batch: Batch, record: number): readonly number[] {
    const isCopied = this.#target !== undefined || this.#merge
    return isCopied ? batch.visible(record, this.#source) : batch.hits(record, this.#source)
  }

  /** In how many objects and arrays of the record the value will be. */
  #level(): number {
    return this.#merge ? 0 : (this.#target?.keys?.length ?? parsePath(this.#text).length)
  }

  #problemOf(json: Buffer): string | undefined {
    return this.#merge && json[0] !== OPEN_OBJECT ? 'it is not an object' : undefined
  }

  #replace(batch: Batch, record: number, values: readonly Value[]): Refusal | undefined {
    let length = batch.longest(record)
    for (const { hit, json } of values) length += json.length - batch.raw(hit).length
    if (length > batch.limits.maxLine) return this.#tooLong()
    for (const { hit, json } of values) batch.put(record, hit, batch.token(json))
    return undefined
  }

  /** The members come last in the record, in place of the text. */
  #mergeInto(batch: Batch, record: number, json: Buffer): Refusal | undefined {
    if (batch.longest(record) + json.length > batch.limits.maxLine) return this.#tooLong()
    const names = new Set(readNames(json))
    const [own] = this.#source.keys ?? []
    const taken = readNames(batch.line(record)).some((name) => name !== own && names.has(name))
    if (taken) return { code: 'KEY_EXISTS', detail: `the record has a member of ${this.#text} already` }
    for (const hit of batch.hits(record, this.#source)) batch.edit(hit, Edit.delete)
    const start = skipSpace(json, 1)
    const end = skipSpaceBack(json, json.length - 2) + 1
    if (end > start) batch.append(record, RECORD, batch.token(json.subarray(start, end)))
    return undefined
  }

  #tooLong(): Refusal {
    return {
      code: 'TOO_LONG',
      detail: `with the value of ${this.#text} the record would be longer than limits.maxLine`,
    }
  }
}

/** In place of a hit: the record itself. */
const RECORD = -1

function put(batch: Batch, record: number, path: Path, json: Buffer): Refusal | undefined {
  const refusal = refusalOf(batch, record, [{ path, json }])
  if (refusal === undefined) putMembers(batch, record, [{ path, json }])
  return refusal
}
