import { jsonParser } from 'stream-json/core/parser.js'
import type { Token } from 'stream-json/core/parser.js'
import type { RejectCode } from '../../errors.ts'
import { OPEN_ARRAY } from '../json/ascii.ts'
import type { ChunkBuilder } from '../lines/chunk-builder.ts'
import type { Boundary } from '../lines/splitter.ts'
import { DocumentGuard } from './document-guard.ts'
import { DocumentFault, MAX_OUTER_DEPTH, MAX_TOKEN, notJson, nothingAt, wrongTypeAt } from './document-reader.ts'
import type { Container, DocumentReader } from './document-reader.ts'
import { PathMatcher } from './path-matcher.ts'
import type { PathState } from './path-matcher.ts'
import { RecordWriter } from './record-writer.ts'
import type { RecordsPath } from './records-path.ts'
import { KeyCollector } from './seen-keys.ts'

interface TokenReaderOptions {
  readonly paths: readonly RecordsPath[]
  /** The same as they are configured. */
  readonly records: string
  /** The member that gets the key of a record. */
  readonly keyAs: string | undefined
  readonly maxLine: number
  readonly builder: ChunkBuilder
  readonly from: Boundary
}

/** An object or array around the records. */
interface Frame {
  readonly isArray: boolean
  readonly states: readonly PathState[]
  /** For an array: the states of each element. */
  readonly elements: readonly PathState[]
  /** The latest key of an object. */
  key: string
  isEmpty: boolean
}

/**
 * Reads documents of any shape with `stream-json`, whose tokens it writes as records. A document can
 * only be read again from its start: a boundary counts the records of the document before it.
 */
export class TokenReader implements DocumentReader {
  readonly #options: TokenReaderOptions
  readonly #matcher: PathMatcher
  readonly #guard: DocumentGuard
  readonly #writer: RecordWriter
  readonly #keys = new KeyCollector()
  #parse = createParser()
  #frames: Frame[] = []
  #found = false
  #isInRecord = false
  /** Why the current record is rejected. */
  #fault: RejectCode | undefined
  #hasInvalidText = false
  /** Where the document begins. */
  #start: number
  /** Records of the document so far. */
  #records = 0
  /** Records of the document that an earlier run has read. */
  #skip: number
  /** Bytes of the whole input so far, the current part included. */
  #readBytes = 0

  constructor(options: TokenReaderOptions) {
    const { builder, from, maxLine, paths } = options
    this.#options = options
    this.#matcher = new PathMatcher(paths)
    this.#start = from.document?.offset ?? from.offset
    this.#skip = from.document?.records ?? 0
    this.#guard = new DocumentGuard({
      maxText: Math.max(maxLine, MAX_TOKEN),
      // The longest way to a record, and more than the deepest record that is accepted.
      maxDepth: 2 * MAX_OUTER_DEPTH,
      feed: (text) => this.#take(text),
      mark: (code) => this.#mark(code),
    })
    this.#writer = new RecordWriter((text) => {
      if (this.#isRepeated) return
      const bytes = Buffer.from(text)
      builder.add(bytes, 0, bytes.length)
    })
  }

  get isOpen(): boolean {
    return this.#guard.isOpen
  }

  read(bytes: Buffer, offset: number): number {
    if (!this.isOpen) this.#begin(offset, bytes[0] === OPEN_ARRAY)
    this.#readBytes = offset + bytes.length
    const end = this.#guard.push(bytes)
    if (!this.isOpen) {
      this.#skip = 0
      if (!this.#found) throw nothingAt(this.#options.records, this.#keys.seen)
    }
    return end
  }

  abandon(): void {
    this.#guard.reset()
    this.#writer.reset()
    this.#options.builder.discard()
    this.#isInRecord = false
    this.#fault = undefined
    this.#skip = 0
  }

  #begin(offset: number, isArray: boolean): void {
    this.#keys.begin(isArray)
    this.#parse = createParser()
    this.#frames = []
    this.#found = false
    this.#hasInvalidText = false
    this.#start = offset
    this.#records = 0
  }

  get #isRepeated(): boolean {
    return this.#records < this.#skip
  }

  /** Parses the next text of the document. */
  #take(text: string): void {
    for (const token of this.#tokensOf(text)) {
      if (this.#isInRecord) this.#addToRecord(token)
      else this.#step(token)
    }
  }

  #tokensOf(text: string): readonly Token[] {
    try {
      return this.#parse(text)
    } catch {
      // Its errors do not say where. It gets a window at a time.
      throw notJson(this.#readBytes)
    }
  }

  /** Takes a token around the records. */
  #step(token: Token): void {
    const frame = this.#frames.at(-1)
    if (token.name === 'keyValue') {
      if (Buffer.byteLength(token.value) > MAX_TOKEN)
        throw new DocumentFault(`has a key of more than ${MAX_TOKEN} bytes around the records`)
      if (frame !== undefined) frame.key = token.value
    } else if (token.name === 'endObject' || token.name === 'endArray') {
      if (frame?.isEmpty === true && this.#matcher.isOpen(frame.states, frame.isArray)) this.#found = true
      this.#frames.pop()
    } else this.#startValue(token, frame)
  }

  #startValue(token: Token, frame: Frame | undefined): void {
    const states = frame === undefined ? this.#matcher.start() : this.#statesIn(frame, token)
    const record = this.#matcher.record(states)
    if (record !== undefined) {
      this.#found = true
      this.#isInRecord = true
      this.#addToRecord(token, record.key)
      return
    }
    const isArray = token.name === 'startArray'
    const isObject = token.name === 'startObject'
    if (states.length > 0) this.#checkContainer(token, states)
    if (!isArray && !isObject) return
    const elements = isArray ? this.#matcher.element(states) : []
    this.#frames.push({ isArray, states, elements, key: '', isEmpty: true })
    if (this.#frames.length > MAX_OUTER_DEPTH) throw new DocumentFault(`is nested deeper than ${MAX_OUTER_DEPTH}`)
  }

  #statesIn(frame: Frame, token: Token): readonly PathState[] {
    frame.isEmpty = false
    if (frame.isArray) return frame.elements
    const wanted = this.#matcher.wantedKey(frame.states)
    if (wanted !== undefined) this.#keys.add(frame.key, wanted, this.#frames.length - 1, token.name === 'startArray')
    return frame.states.length === 0 ? frame.states : this.#matcher.member(frame.states, frame.key)
  }

  /** Checks a value in whose place the array or object of records is expected. */
  #checkContainer(token: Token, states: readonly PathState[]): void {
    const { array, object, strict } = this.#matcher.container(states)
    const isNull = token.name === 'nullValue'
    // Programs that write an empty list as null are common.
    if (isNull && (this.#matcher.isOpen(states, true) || this.#matcher.isOpen(states, false))) this.#found = true
    if ((array && token.name === 'startArray') || (object && token.name === 'startObject')) this.#found = true
    else if (strict && !isNull)
      throw wrongTypeAt(this.#options.records, array ? 'array' : 'object', CONTAINERS.get(token.name))
  }

  /** @param key For the first token of a record: the key that its path leaves open. */
  #addToRecord(token: Token, key?: string): void {
    const { keyAs, builder } = this.#options
    const member = keyAs === undefined || key === undefined ? undefined : { name: keyAs, value: key }
    if (member !== undefined && this.#hasInvalidText && member.value.includes('\ufffd')) this.#fault = 'INVALID_UTF8'
    if (!this.#writer.add(token, member)) this.#fault ??= 'KEY_EXISTS'
    if (!this.#writer.isDone) return
    const isRepeated = this.#isRepeated
    this.#records++
    if (!isRepeated) {
      const document = { offset: this.#start, records: this.#records }
      if (this.#fault === undefined) builder.close(this.#readBytes, true, undefined, document)
      else builder.reject(this.#fault, { offset: this.#readBytes, open: true, document })
    }
    this.#writer.reset()
    this.#isInRecord = false
    this.#fault = undefined
  }

  #mark(code: RejectCode): void {
    if (code === 'INVALID_UTF8') this.#hasInvalidText = true
    if (this.#isInRecord) this.#fault ??= code
    else if (code === 'TOO_DEEP') throw new DocumentFault(`is nested deeper than ${MAX_OUTER_DEPTH}`)
  }
}

/** All values come whole, and numbers as text. */
function createParser(): (text: string) => readonly Token[] {
  const parse = jsonParser({ packValues: true, streamValues: false })
  return (text) => {
    const tokens: unknown = parse(text)
    return isTokens(tokens) ? tokens.values : []
  }
}

function isTokens(result: unknown): result is { readonly values: readonly Token[] } {
  return typeof result === 'object' && result !== null && 'values' in result
}

const CONTAINERS: ReadonlyMap<string, Container> = new Map([
  ['startArray', 'array'],
  ['startObject', 'object'],
])
