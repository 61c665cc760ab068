import { availableParallelism } from 'node:os'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { isCustom } from '../config/component-name.ts'
import { measureRate } from './measure-rate.ts'
import type { PlanOverview } from './plan-overview.ts'

/** How long a plan may take, and what that is made of. */
export interface Estimate {
  readonly seconds: number
  /** Of each kind of content that was measured: bytes, as stored, that one worker manages in a second. */
  readonly rates: readonly { readonly content: string; readonly bytesPerSecond: number }[]
}

interface EstimateOptions {
  readonly workers: number
  readonly final: boolean
  readonly signal: AbortSignal
}

/**
 * Estimates the time of a plan from a short measurement of each kind of content. The rate of a kind that
 * is not measured is that of the others. The sum takes as many workers as there are and this machine has
 * cores for, each as fast as one alone, and no time for uploads. Undefined if there is too little input, or if custom code, which may
 * change something elsewhere, would have to run.
 */
export async function estimateTime(
  pipeline: CheckedPipeline,
  plan: PlanOverview,
  { workers, ...options }: EstimateOptions,
): Promise<Estimate | undefined> {
  if (plan.bytes < WORTH_BYTES) return undefined
  if (pipeline.transforms.some(({ declaration }) => isCustom(declaration.type) || declaration.code !== undefined))
    return undefined
  const rates: Estimate['rates'][number][] = []
  let [measured, seconds] = [0, 0]
  for (const { sample, bytes, ...content } of plan.contents.slice(0, MOST_KINDS)) {
    const bytesPerSecond = await measureRate(pipeline, sample, options)
    if (bytesPerSecond === undefined) continue
    rates.push({ content: contentName(content), bytesPerSecond })
    measured += bytes
    seconds += bytes / bytesPerSecond
  }
  if (measured === 0) return undefined
  const rate = measured / seconds
  const atOnce = Math.min(workers, availableParallelism())
  return { seconds: Math.max(plan.bytes / atOnce, plan.largest?.bytes ?? 0) / rate, rates }
}

/** What people call a kind of content. */
export function contentName({ format, compression }: Pick<PlanOverview['contents'][number], 'format' | 'compression'>) {
  return compression ?? format ?? 'plain'
}

/** Less takes no longer than the measurement. */
const WORTH_BYTES = 64 << 20
const MOST_KINDS = 3
