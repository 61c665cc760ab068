import type { Readable, Writable } from 'node:stream'
import { readable } from '../../errors.ts'
import { takesBytes } from './refusals.ts'

/**
 * Destroys a stream with what its reader throws. A stream of the program that throws in its `transform`
 * or `write` throws into the stream that hands it a chunk. There, the error would fail no pipeline: it
 * would end the process, or be taken for a failure of ours.
 */
export function catchReaders<Stream extends Readable>(stream: Stream): Stream {
  const push = stream.push.bind(stream)
  const read = stream.read.bind(stream)
  stream.push = (chunk, encoding) => {
    try {
      return push(chunk, encoding)
    } catch (error) {
      stream.destroy(asError(error))
      return false
    }
  }
  stream.read = (size): unknown => {
    try {
      return read(size)
    } catch (error) {
      stream.destroy(asError(error))
      return null
    }
  }
  return stream
}

/** Destroys a stream of batches that is piped into a stream of bytes, at once: no batch reaches that. */
export function refuseBytes(stream: Readable): void {
  const pipe = stream.pipe.bind(stream)
  stream.pipe = (destination, options) => {
    if ('writableObjectMode' in destination && destination.writableObjectMode === false) stream.destroy(takesBytes())
    return pipe(destination, options)
  }
}

/**
 * The callback of a write, for a stream that calls it later: streams of the program then write on, and
 * what they throw comes back here.
 */
export function catchWriters(stream: Writable, done: Done): Done {
  return (failure) => {
    try {
      done(failure)
    } catch (error) {
      stream.destroy(asError(error))
    }
  }
}

type Done = (error?: Error | null) => void

/** What a program throws need not be an error. */
function asError(thrown: unknown): Error {
  const shown = readable(thrown)
  return shown instanceof Error ? shown : new Error(String(shown))
}
