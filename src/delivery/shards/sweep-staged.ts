import type { OutboxTarget } from '../outbox/outbox.ts'
import { objectLabel } from './shard-delivery.ts'

/**
 * Removes what executions have staged and nobody will publish: those that died, or whose result was
 * lost. Call it when no shard of the pipeline can be published any more. Never throws: what stays is
 * removed by a rule of the store.
 */
export async function sweepStaged(
  targets: readonly OutboxTarget[],
  {
    pipeline,
    generation,
    runNumber,
  }: { readonly pipeline: string; readonly generation: string; readonly runNumber: number },
): Promise<void> {
  const label = objectLabel(runNumber)
  const name = `${pipeline}-${generation}-${label}`
  const isDead = (key: string): boolean => key.slice(key.lastIndexOf('/') + 1).startsWith(name)
  const signal = AbortSignal.timeout(TIMEOUT)
  await Promise.allSettled(targets.map(async ({ sink, folder }) => sink.sweepStaged?.(folder, isDead, signal)))
}

/** Milliseconds. */
const TIMEOUT = 60_000
