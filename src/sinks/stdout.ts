import { defineSink } from '../component.ts'
import { SluiceError, systemCode } from '../errors.ts'

export default defineSink({
  type: 'stdout',
  summary: 'Writes NDJSON to standard output as it comes; remembers nothing.',
  delivers: 'stream',
  reusesBuffers: true,
  fields: {},
  examples: [{ title: 'To look at, or for another program', config: {} }],
  create() {
    const { stdout } = process
    // Errors are told by the write that meets them.
    stdout.on('error', () => undefined)
    return {
      // Standard output blocks where its reader is slow, as Node.js does it on POSIX: so there is nothing for the signal to end.
      write: (bytes) =>
        new Promise((resolve, reject) => {
          stdout.write(bytes, (error) => (error ? reject(stdoutError(error)) : resolve()))
        }),
      flush: () => Promise.resolve(),
    }
  },
})

/** A reader that has seen enough (`| head`) is no failure. */
function stdoutError(error: Error): SluiceError {
  const code = systemCode(error) ?? 'unknown'
  if (code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED') {
    return new SluiceError('SINK_CLOSED', 'the reader of standard output is gone')
  }
  return new SluiceError('SINK_FAILED', `standard output failed: ${code}`, { cause: error })
}
