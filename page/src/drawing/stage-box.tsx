import type { JSX } from 'preact'
import { formatBytes, formatRate, formatShare } from '../format.ts'
import { Meter } from '../parts/meter.tsx'
import type { PipelineState } from '../state/pipeline.ts'
import { BoxText } from './box-text.tsx'
import type { DrawnNode } from './plan.ts'
import { REASONS } from './trouble.ts'

interface StageBoxProps {
  readonly node: DrawnNode
  /** Of a transform, from 1. */
  readonly number?: number
  readonly state: PipelineState
}

/** A stage, its rate, and its share of the time. */
export function StageBox({ node, number, state }: StageBoxProps): JSX.Element {
  const snapshot = state.snapshot.value
  // A run of another version of the file may not have it.
  const stage = snapshot?.stages.find((one) => one.stage === node.name)
  const bottleneck =
    stage !== undefined && snapshot?.bottleneck?.stage === stage.stage ? snapshot.bottleneck : undefined
  const isLimit = bottleneck !== undefined && bottleneck.reason !== 'input'
  return (
    <div class={`box is-${node.kind}${isLimit ? ' is-bottleneck' : ''}`} data-node={node.id}>
      <BoxText node={node} number={number} />
      {bottleneck && <span class={isLimit ? 'mark is-warning' : 'mark'}>{REASONS[bottleneck.reason]}</span>}
      <span class="box-number">{stage === undefined ? '–' : `${formatRate(stage.recordsPerSecond)} records/s`}</span>
      <span class="box-number box-bytes">
        {stage === undefined || stage.bytesPerSecond === 0 ? '' : `${formatBytes(stage.bytesPerSecond)}/s`}
      </span>
      <span class="box-share" title="Share of the time that this stage took">
        <Meter share={stage?.share ?? 0} tone={isLimit ? 'warning' : 'plain'} />
        <span class="box-number">{stage === undefined ? '–' : formatShare(stage.share)}</span>
        <span class="unseen"> of the time</span>
      </span>
    </div>
  )
}
