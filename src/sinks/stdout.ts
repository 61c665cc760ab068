import { codeOf } from '../commit/files.ts'
import { defineSink } from '../component.ts'
import { SluiceError } from '../errors.ts'

export default defineSink({
  type: 'stdout',
  summary: 'Writes NDJSON to standard output as it comes; remembers nothing.',
  delivers: 'stream',
  fields: {},
  examples: [{ title: 'To look at, or for another program', config: {} }],
  create() {
    const { stdout } = process
    // Errors are told by the write that meets them.
    stdout.on('error', () => undefined)
    return {
      write: (bytes, signal) =>
        new Promise((resolve, reject) => {
          const giveUp = (): void => reject(abortReason(signal))
          signal.addEventListener('abort', giveUp)
          stdout.write(bytes, (error) => {
            signal.removeEventListener('abort', giveUp)
            if (error) reject(stdoutError(error))
            else resolve()
          })
        }),
      flush: () => Promise.resolve(),
    }
  },
})

function abortReason(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error('aborted')
}

/** A reader that has seen enough (`| head`) is no failure. */
function stdoutError(error: Error): SluiceError {
  const code = codeOf(error) ?? 'unknown'
  if (code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED') {
    return new SluiceError('SINK_CLOSED', 'the reader of standard output is gone')
  }
  return new SluiceError('SINK_FAILED', `standard output failed: ${code}`, { cause: error })
}
