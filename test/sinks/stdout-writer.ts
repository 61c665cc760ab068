import { SluiceError } from '../../src/errors.ts'
import stdout from '../../src/sinks/stdout.ts'

/**
 * Writes numbered lines of 10 kB to stdout through the sink, and the error that ended it to stderr.
 */
const count = Number(process.argv[2])
const sink = await stdout.create({}, { pipeline: 'p', stage: 'stdout', folder: '.' })
if (!('write' in sink)) throw new Error('stdout is a stream sink')
const { signal } = new AbortController()
let n = 0
try {
  for (; n < count; n++) {
    await sink.write(Buffer.from(`${JSON.stringify({ n, text: 'x'.repeat(10_000) })}\n`), signal)
  }
  await sink.flush()
} catch (error) {
  process.stderr.write(`${error instanceof SluiceError ? error.code : String(error)} after ${n}\n`)
}
