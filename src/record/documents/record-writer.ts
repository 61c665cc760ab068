import type { Token } from 'stream-json/core/parser.js'

/**
 * Writes one value as JSON text from the tokens of a parser. Numbers keep their digits, strings
 * their value, members their order, duplicate keys included. Spaces and escapes are not kept.
 */
export class RecordWriter {
  readonly #write: (text: string) => void
  #depth = 0
  #text = ''
  #needsComma = false
  /** The key that no member of the value itself may have. */
  #reserved: string | undefined

  /** @param write Receives the text in parts. */
  constructor(write: (text: string) => void) {
    this.#write = write
  }

  /** True if the value is complete before its first token, or after its last. */
  get isDone(): boolean {
    return this.#depth === 0
  }

  reset(): void {
    this.#depth = 0
    this.#text = ''
    this.#needsComma = false
    this.#reserved = undefined
  }

  /**
   * Takes the next token. Returns false if a member has the reserved key.
   * @param member A member to put first, if the token begins an object.
   */
  add(token: Token, member?: { readonly name: string; readonly value: string }): boolean {
    let isFree = true
    switch (token.name) {
      case 'startObject':
        this.#open('{')
        if (member !== undefined) {
          this.#reserved = member.name
          this.#text += `${JSON.stringify(member.name)}:${JSON.stringify(member.value)}`
          this.#needsComma = true
        }
        break
      case 'startArray':
        this.#open('[')
        break
      case 'endObject':
        this.#close('}')
        break
      case 'endArray':
        this.#close(']')
        break
      case 'keyValue':
        isFree = this.#depth > 1 || token.value !== this.#reserved
        this.#value(`${JSON.stringify(token.value)}:`)
        this.#needsComma = false
        break
      case 'stringValue':
        this.#value(JSON.stringify(token.value))
        break
      case 'numberValue':
        this.#value(token.value)
        break
      case 'nullValue':
      case 'trueValue':
      case 'falseValue':
        this.#value(String(token.value))
        break
    }
    if (this.#depth === 0 || this.#text.length > WRITE_LENGTH) this.#flush()
    return isFree
  }

  #open(bracket: string): void {
    this.#value(bracket)
    this.#depth++
    this.#needsComma = false
  }

  #close(bracket: string): void {
    this.#text += bracket
    this.#depth--
    this.#needsComma = true
  }

  #value(text: string): void {
    this.#text += this.#needsComma ? `,${text}` : text
    this.#needsComma = true
  }

  #flush(): void {
    this.#write(this.#text)
    this.#text = ''
  }
}

/** A long value is passed on in parts of at least so many characters. */
const WRITE_LENGTH = 16 * 1024
