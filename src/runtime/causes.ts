import { systemCode } from '../errors.ts'
import type { ErrorCode, SluiceError } from '../errors.ts'
import { describeFailure } from './failure.ts'

/**
 * Why an error happened: a text for each of its causes, the nearest first, such as
 * `TypeError at webhook.ts:20:11: fetch failed` and `ECONNREFUSED: connect ECONNREFUSED
 * 127.0.0.1:9`. A message is left out where it may hold content of a record, and where the error
 * already says it.
 */
export function describeCauses(error: SluiceError): string[] {
  const causes: string[] = []
  const said = [error.message]
  let next = error.cause
  const seen = new Set<unknown>()
  while (next instanceof Error && causes.length < MAX_CAUSES && !seen.has(next)) {
    seen.add(next)
    for (const one of next instanceof AggregateError && next.message === '' ? next.errors : [next]) {
      const text = describeCause(one, error.code, said)
      if (text !== undefined && !said.some((message) => message.includes(text))) causes.push(text)
      if (one instanceof Error) said.push(one.message)
    }
    next = next.cause
  }
  return causes.slice(0, MAX_CAUSES)
}

const MAX_CAUSES = 8

/** A cause as `describeCauses` has described it in another thread or process. */
export class DescribedCause extends Error {}

function describeCause(cause: unknown, code: ErrorCode, said: readonly string[]): string | undefined {
  if (!(cause instanceof Error)) return undefined
  if (cause instanceof DescribedCause) return cause.message
  const system = systemCode(cause)
  const what = describeFailure(cause)
  const isSaid = said.some((message) => message.includes(cause.message))
  if (cause.message === '' || isSaid || !mayShow(cause, code)) {
    // `Error` alone says nothing.
    return what === 'Error' || what === system ? undefined : what
  }
  const name = what === 'Error' ? '' : `${what}: `
  return `${name}${cause.message}`
}

/**
 * Messages of transforms and of parsers may quote a record. Those of the operating system, and of
 * components that failed as a whole, do not.
 */
function mayShow(cause: Error, code: ErrorCode): boolean {
  if (cause instanceof SyntaxError) return false
  return systemCode(cause) !== undefined || WHOLE_COMPONENTS.has(code)
}

const WHOLE_COMPONENTS = new Set<ErrorCode>([
  'COMPONENT_LOAD_FAILED',
  'INTERNAL',
  'SINK_FAILED',
  'SINK_REFUSED',
  'SINK_UNAVAILABLE',
  'SOURCE_FAILED',
])
