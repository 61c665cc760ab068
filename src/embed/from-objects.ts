import { Duplex } from 'node:stream'
import { readable, SluiceError } from '../errors.ts'
import { isOrdinaryJson, jsonText } from '../record/json/json-text.ts'
import type { KeptNumbers } from '../record/json/kept-numbers.ts'
import { catchWriters } from '../runtime/streams/readers.ts'
import { callBack, checkCount } from './callbacks.ts'
import { LineWriter } from './ndjson-streams.ts'
import { Outlet } from './outlet.ts'
import { reply } from '../runtime/streams/reply.ts'

/** The text of numbers in objects that `toObjects` has made. */
export const keptNumbers: KeptNumbers = new WeakMap()

export interface FromObjectsOptions {
  /**
   * Called for each object that JSON cannot represent; the stream then continues without it.
   * `index` counts the objects of this stream from 0. Default: the stream fails with VALUE_INVALID.
   */
  readonly onReject?: (error: SluiceError, index: number) => void
  /** Deepest nesting of an object. Default: 1000, which is the most. */
  readonly maxDepth?: number
}

/**
 * A stream that takes objects and gives NDJSON as bytes: one line per object, each with its line
 * feed. It serialises with the `ndjson` package.
 *
 * Nothing changes in silence. An object is refused that contains a value JSON cannot represent: NaN,
 * an infinity, an invalid date, a bigint, a function, undefined in an array, itself, or an object
 * whose content is not in its properties (a Map, a Set, a promise). Members that are undefined are
 * left out, and `toJSON` is called, as JSON.stringify does. -0, text of JSON.rawJSON, and numbers
 * that `toObjects` has read with another spelling (`1.10`) keep their digits.
 * @throws SluiceError VALUE_INVALID, as the stream's `error`. It names the number of the object, and
 *   no content.
 */
export function fromObjects({ onReject, maxDepth = 1000 }: FromObjectsOptions = {}): Duplex {
  checkCount('fromObjects', 'maxDepth', maxDepth)
  const writer = new LineWriter()
  const outlet = new Outlet()
  let index = 0

  const write = async (objects: readonly unknown[]): Promise<void> => {
    const lines: string[] = []
    let failure: SluiceError | undefined
    for (const object of objects) {
      try {
        lines.push(await lineOf(object, maxDepth, writer))
      } catch (thrown) {
        const error = describeFailure(thrown, index)
        if (onReject === undefined) {
          failure = error
          break
        }
        callBack('onReject', onReject, error, index)
      }
      index++
    }
    if (lines.length > 0) await outlet.give(Buffer.from(lines.join('')))
    if (failure !== undefined) throw failure
  }
  return outlet.attach(
    new Duplex({
      writableObjectMode: true,
      write(object: unknown, _encoding, done) {
        void reply(() => write([object]), catchWriters(this, done))
      },
      writev(chunks, done) {
        void reply(() => write(chunks.map(({ chunk }: { chunk: unknown }) => chunk)), catchWriters(this, done))
      },
      final: (done) => {
        outlet.end()
        done()
      },
      read: () => outlet.resume(),
    }),
  )
}

async function lineOf(object: unknown, maxDepth: number, writer: LineWriter): Promise<string> {
  if (typeof object !== 'object' || object === null || Array.isArray(object)) {
    const what = Array.isArray(object) ? 'an array' : `a ${typeof object}`
    throw new SluiceError('VALUE_INVALID', `it is ${what}, and a record is an object`)
  }
  if (isOrdinaryJson(object, maxDepth, keptNumbers)) return writer.write(object)
  const text = jsonText(object, maxDepth, keptNumbers)
  if (text.startsWith('{')) return `${text}\n`
  throw new SluiceError('VALUE_INVALID', 'its toJSON returned a value that is not an object')
}

/** Errors of getters and of `toJSON` may quote the object. */
function describeFailure(thrown: unknown, index: number): SluiceError {
  const error = readable(thrown)
  const reason = error instanceof SluiceError ? error.message : 'reading it failed; see `cause`'
  return new SluiceError('VALUE_INVALID', `object ${index} cannot be written: ${reason}`, {
    cause: error,
    hint: 'convert the value first, or pass `onReject` to continue with the other objects',
  })
}
