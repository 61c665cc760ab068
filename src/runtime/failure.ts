import { readable, SluiceError } from '../errors.ts'
import { CODE } from '../package.ts'

/** Custom code returned something that is not an outcome. */
export class NotAnOutcome extends Error {
  constructor(value: unknown) {
    super(
      `returned ${value === null ? 'null' : Array.isArray(value) ? 'an array in an array' : typeof value === 'object' ? `an object that is not plain` : typeof value}`,
    )
    this.name = 'NotAnOutcome'
  }
}

/**
 * Describes an error of custom code for rejects and messages: its name and where it was thrown,
 * such as `TypeError at tag.ts:12:5`. Never its message, which may hold content of the record.
 */
export function describeFailure(thrown: unknown): string {
  const error = readable(thrown)
  if (error instanceof NotAnOutcome) return error.message
  if (!(error instanceof Error)) return `threw ${error === null ? 'null' : typeof error}`
  const name = error instanceof SluiceError ? error.code : NAME.test(error.name) ? error.name : 'Error'
  const place = placeOf(error)
  return place === undefined ? name : `${name} at ${place}`
}

const NAME = /^[A-Za-z_$][\w$]{0,63}$/
/** Code that was loaded again has a URL with a query. */
const FRAME = /^ +at .*?([^/\\()?]+)(?:\?[^/\\():]*)?:(\d+):(\d+)\)?$/

/** File, line and column of the innermost frame that is neither Node's nor ours. */
function placeOf({ stack = '', message }: Error): string | undefined {
  // A message may look like stack frames. If the two cannot be separated, no place is reported.
  const end = message === '' ? stack.indexOf('\n') : stack.indexOf(message) + message.length
  if (!stack.includes(message) || stack[end] !== '\n') return undefined
  for (const line of stack.slice(end + 1).split('\n')) {
    if (line.includes('node:') || line.includes(CODE)) continue
    const frame = FRAME.exec(line)
    if (frame !== null) return `${frame[1]}:${frame[2]}:${frame[3]}`
  }
  return undefined
}
