import type { SourceEvent } from '../../../component.ts'
import type { SluiceError } from '../../../errors.ts'
import { ResponseError } from './response-error.ts'

interface Retry {
  /** The attempt that has failed, from 1. */
  readonly attempt: number
  readonly attempts: number
  /** Milliseconds until the next one. */
  readonly wait: number
}

/** A request for this source partition has failed and is sent again. */
export function retryEvent(partition: string, error: SluiceError, retry: Retry): SourceEvent {
  const { status, retryAfter = 0 } = error instanceof ResponseError ? error : { status: undefined }
  const reason = retryAfter === 0 ? 'backoff' : 'retry-after'
  return { type: 'retry', partition, code: error.code, status, message: error.message, ...retry, reason }
}
