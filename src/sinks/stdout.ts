import { defineSink } from '../component.ts'
import { SluiceError, systemCode } from '../errors.ts'
import { printable } from '../observe/printable.ts'

export default defineSink({
  type: 'stdout',
  summary: 'Writes NDJSON to standard output as it arrives; has no state.',
  delivers: 'stream',
  reusesBuffers: true,
  fields: {},
  examples: [{ title: 'For a terminal or another program', config: {} }],
  create() {
    const { stdout } = process
    // Each write reports its own error.
    stdout.on('error', ignore)
    return {
      // On POSIX, Node.js blocks while a slow reader does not read, so the abort signal could not
      // end a write.
      write: (bytes) =>
        new Promise((resolve, reject) => {
          // On a terminal, a record must not move the cursor. In JSON the escapes mean the same.
          const output = stdout.isTTY ? printableLines(bytes) : bytes
          stdout.write(output, (error) => (error ? reject(stdoutError(error)) : resolve()))
        }),
      flush: () => Promise.resolve(),
      // The stream emits the error of a write after the write has reported it.
      close: () => void setImmediate(() => stdout.off('error', ignore)),
    }
  },
})

function printableLines(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString().split('\n').map(printable).join('\n')
}

function ignore(): void {}

/** A reader that closes its end (`| head`) is not a failure. */
function stdoutError(error: Error): SluiceError {
  const code = systemCode(error) ?? 'unknown'
  if (code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED') {
    return new SluiceError('SINK_CLOSED', 'stdout was closed by its reader (EPIPE)')
  }
  return new SluiceError('SINK_FAILED', `cannot write to stdout: ${code}`, { cause: error })
}
