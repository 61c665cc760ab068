import { asSluiceError } from '../../errors.ts'
import { sentError } from '../../runtime/sent-error.ts'
import type { SentError } from '../../runtime/sent-error.ts'
import { jobs } from './jobs.ts'
import type { Jobs } from './jobs.ts'

/* The process that `JobRunner` starts. It does one job at a time. */

export interface JobRequest {
  readonly job: keyof Jobs
  readonly argument: unknown
}

export type JobAnswer =
  { readonly kind: 'done'; readonly result: unknown } | { readonly kind: 'failed'; readonly error: SentError }

// Nobody waits for an answer any more.
process.once('disconnect', () => process.exit())
process.on('message', ({ job, argument }: JobRequest) => void answer(job, argument))

async function answer(job: keyof Jobs, argument: unknown): Promise<void> {
  try {
    // The runner's types say that they fit.
    const result: unknown = await Reflect.apply(jobs[job], undefined, [argument])
    send({ kind: 'done', result })
  } catch (error) {
    send({ kind: 'failed', error: sentError(asSluiceError(error, 'INTERNAL', 'this is a bug in Sluice')) })
  }
}

function send(message: JobAnswer): void {
  process.send?.(message)
}
