import type { Rates } from './rates.ts'
import { NETWORK, RATE_LIMIT, RETRY } from './waits.ts'
import type { Bottleneck, StageStatus } from './snapshot.ts'

/**
 * The stage that the others wait for. A full outbox stops reading, whatever else is slow. Otherwise it is
 * the stage that takes most of the time; if that is the source, what the source waits for.
 */
export function bottleneckOf(stages: readonly StageStatus[], rates: Rates, isFull: boolean): Bottleneck | undefined {
  const delivery = stages.at(-1)
  const source = stages.at(0)
  if (delivery === undefined || source === undefined) return undefined
  if (isFull) return { stage: delivery.stage, reason: 'outbox', share: 1 }
  const slowest = stages.reduce((most, stage) => (stage.share > most.share ? stage : most))
  if (slowest.kind !== 'source') return { stage: slowest.stage, reason: 'work', share: slowest.share }
  const { stage, share } = source
  const waits = [
    { reason: 'rate-limit', share: rates.of(RATE_LIMIT).share },
    { reason: 'retry', share: rates.of(RETRY).share },
    { reason: 'network', share: rates.of(NETWORK).share },
  ] as const
  const longest = waits.reduce((most, wait) => (wait.share > most.share ? wait : most))
  if (longest.share > LEAST_WAIT * share) return { stage, reason: longest.reason, share: longest.share }
  return { stage, reason: rates.busy > MOSTLY ? 'work' : 'input', share }
}

/** Of the time of the source: with less, it is not the wait that takes it. */
const LEAST_WAIT = 0.3
/** A thread that idles more waits for files, or for a source that does not say what it waits for. */
const MOSTLY = 0.5
