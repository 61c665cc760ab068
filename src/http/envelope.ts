import { jsonParser } from 'stream-json/core/parser.js'
import type { Token } from 'stream-json/core/parser.js'
import type { Skipped } from '../component.ts'
import { RUN_BYTES } from '../record/run.ts'
import { badAnswer } from './answer-error.ts'
import type { PageCutter, Run } from './cutter.ts'
import { ValueWriter } from './value-writer.ts'

interface EnvelopeOptions {
  /** Dotted keys to the array of records. */
  readonly records: string
  /** Dotted keys of other values that are wanted. */
  readonly capture: readonly string[]
  readonly maxLine: number
}

/**
 * Takes the records out of a response such as `{"data":{"events":[...]},"next":"..."}`. Tokens are streamed, strings in pieces: memory
 * stays within one record and one run, whatever the response is.
 */
export class EnvelopeCutter implements PageCutter {
  readonly captured = new Map<string, string>()
  readonly #options: EnvelopeOptions
  readonly #decoder = new TextDecoder('utf-8', { fatal: true })
  readonly #parse = jsonParser({ packValues: false })
  /** The key under which each open object or array is read; undefined in arrays. */
  readonly #keys: (string | undefined)[] = []
  #key: string | undefined
  #recordsDepth = 0
  #found = false
  #complete = false
  #writer: { readonly writer: ValueWriter; readonly done: (writer: ValueWriter) => void } | undefined
  #runs: Run[] = []
  #lines = ''
  #line = 1
  #skipped: Skipped[] = []
  #count = 0

  constructor(options: EnvelopeOptions) {
    this.#options = options
  }

  get count(): number {
    return this.#count
  }

  push(chunk: Buffer): Run[] {
    for (const token of this.#tokens(chunk)) this.#take(token)
    return this.#runs.splice(0)
  }

  end(): Run[] {
    if (!this.#complete) throw badAnswer('the response was cut short: its JSON does not end')
    if (!this.#found) throw badAnswer(`the response has nothing at "${this.#options.records}" (records)`)
    if (this.#lines !== '' || this.#skipped.length > 0) this.#endRun()
    return this.#runs.splice(0)
  }

  #tokens(chunk: Buffer): readonly Token[] {
    try {
      const result = this.#parse(this.#decoder.decode(chunk, { stream: true }))
      return typeof result === 'object' && 'values' in result ? result.values : []
    } catch (error) {
      throw badAnswer(error instanceof TypeError ? 'the response is not UTF-8' : 'the response is not JSON')
    }
  }

  #take(token: Token): void {
    if (this.#writer !== undefined) {
      const { writer, done } = this.#writer
      if (!writer.write(token)) return
      this.#writer = undefined
      done(writer)
      return
    }
    switch (token.name) {
      case 'startKey':
        this.#key = ''
        return
      case 'stringChunk':
        if (this.#key !== undefined && this.#key.length < MAX_KEY) this.#key += token.value
        return
      case 'endKey':
        this.#keys[this.#keys.length - 1] = this.#key
        this.#key = undefined
        return
      case 'endObject':
      case 'endArray':
        if (this.#keys.length === this.#recordsDepth) this.#recordsDepth = 0
        this.#keys.pop()
        this.#complete = this.#keys.length === 0
        return
      case 'startObject':
      case 'startArray':
      case 'startString':
      case 'startNumber':
      case 'trueValue':
      case 'falseValue':
      case 'nullValue':
        this.#begin(token)
        return
      default:
    }
  }

  #begin(token: Token): void {
    const { records, capture, maxLine } = this.#options
    if (this.#recordsDepth > 0 && this.#keys.length === this.#recordsDepth) {
      this.#write(token, maxLine, (writer) => this.#addRecord(writer))
      return
    }
    const path = this.#keys.join('.')
    if (path === records && this.#keys.length > 0) this.#enterRecords(token)
    else if (capture.includes(path)) {
      this.#write(token, MAX_CAPTURED, (writer) => this.#capture(path, writer))
      return
    }
    if (token.name !== 'startObject' && token.name !== 'startArray') return
    this.#keys.push(undefined)
    if (this.#keys.length > MAX_DEPTH) throw badAnswer(`the response is nested deeper than ${MAX_DEPTH}`)
  }

  #enterRecords(token: Token): void {
    this.#found = true
    if (token.name === 'startArray') this.#recordsDepth = this.#keys.length + 1
    // APIs that write an empty list as null are common.
    else if (token.name !== 'nullValue')
      throw badAnswer(`the response has no array at "${this.#options.records}" (records)`)
  }

  #write(token: Token, limit: number, done: (writer: ValueWriter) => void): void {
    const writer = new ValueWriter(limit)
    if (writer.write(token)) done(writer)
    else this.#writer = { writer, done }
  }

  #addRecord(writer: ValueWriter): void {
    const { text } = writer
    if (text !== undefined && this.#skipped.length > 0) this.#endRun()
    this.#count++
    if (text === undefined) this.#skipped.push({ line: this.#count, ...writer.summary() })
    else this.#lines += `${text}\n`
    if (this.#lines.length >= RUN_BYTES) this.#endRun()
  }

  #capture(path: string, writer: ValueWriter): void {
    if (writer.text === undefined)
      throw badAnswer(`the value at "${path}" of the response is longer than ${MAX_CAPTURED} bytes`)
    this.captured.set(path, writer.text)
  }

  #endRun(): void {
    this.#runs.push({ bytes: Buffer.from(this.#lines), line: this.#line, skipped: this.#skipped })
    this.#lines = ''
    this.#skipped = []
    this.#line = this.#count + 1
  }
}

/** Longer keys than that are in no path. */
const MAX_KEY = 4096
const MAX_CAPTURED = 64 * 1024
/** Of what is around the records; a deep record is the engine's to refuse. */
const MAX_DEPTH = 1000
