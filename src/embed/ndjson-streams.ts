import { parse, stringify } from 'ndjson'
import { SluiceError } from '../errors.ts'

/*
 * The parser and the serialiser of the `ndjson` package, fed so that none of their silent changes can
 * happen. The parser skips blank lines, takes `null` as the end of the stream, gives values that are
 * not objects, replaces bytes that are not UTF-8, and reads a line again for each part that it comes
 * in; so it gets whole lines that the scanner has accepted. The serialiser writes `[Circular ~]`,
 * `undefined` as a line, and null for NaN; so it gets values that `isOrdinaryJson` has accepted.
 */

/** Parses lines. */
export class LineParser {
  readonly #stream = parse()
  #error: Error | undefined

  constructor() {
    this.#stream.on('error', (error: Error) => (this.#error = error))
  }

  /** One object for each line. The lines must be JSON objects; each has its line feed. */
  async parse(lines: Buffer, count: number): Promise<object[]> {
    await new Promise<void>((resolve) => {
      this.#stream.write(lines, () => resolve())
    })
    const objects: object[] = []
    for (let object = this.#next(); object !== null; object = this.#next()) objects.push(object)
    // Its message would quote the line.
    if (this.#error !== undefined || objects.length !== count)
      throw new SluiceError('INTERNAL', 'a line that the scanner accepts is not an object to JSON.parse')
    return objects
  }

  #next(): object | null {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the lines are objects
    return this.#stream.read() as object | null
  }
}

/** Writes objects. */
export class LineWriter {
  readonly #stream = stringify()

  /** The line of an object, with a line feed. */
  async write(object: object): Promise<string> {
    await new Promise<void>((resolve) => {
      this.#stream.write(object, () => resolve())
    })
    // The serialiser ends lines as the operating system does.
    return `${String(this.#stream.read()).trimEnd()}\n`
  }
}
