import type { OutboxTarget } from '../outbox/outbox.ts'

/**
 * Removes what executions of parallel backfills have staged and nobody will publish: those that died, or
 * whose result was lost. Call it when everything that is committed is published. Never throws: what stays
 * is removed by a rule of the store.
 */
export async function sweepStaged(
  targets: readonly OutboxTarget[],
  { pipeline, generation }: { readonly pipeline: string; readonly generation: string },
): Promise<void> {
  // See `objectLabel`. Other objects of the pipeline have a digit in this place.
  const name = `${pipeline}-${generation}-s`
  const isDead = (key: string): boolean => key.slice(key.lastIndexOf('/') + 1).startsWith(name)
  const signal = AbortSignal.timeout(TIMEOUT)
  await Promise.allSettled(targets.map(async ({ sink, folder }) => sink.sweepStaged?.(folder, isDead, signal)))
}

/** Milliseconds. */
const TIMEOUT = 60_000
