import type { InputExtent, TransformContext } from '../component.ts'
import type { CommitOptions } from '../delivery/commit-options.ts'
import type { Delivery } from '../delivery/delivery.ts'
import type { Batch } from '../record/batch.ts'
import type { Paths } from '../record/paths/path.ts'
import type { ScanLimits } from '../record/scan.ts'
import type { RunEvents } from '../observe/bus/run-events.ts'
import type { Intake } from './intake.ts'
import type { Stage } from './transform-stages.ts'

/**
 * Where a run gets its batches from: the pipeline's source (`source-stage.ts`), or local rejects
 * (`replay.ts`). A run does not know which.
 */
export interface RunInput {
  /** Options that this input needs in the delivery to an object sink. */
  readonly commit?: Partial<CommitOptions>
  /** Added to the context of every transform. */
  readonly context?: Partial<TransformContext>
  /**
   * Called before the delivery is opened. @throws SluiceError if the state folder does not allow
   * this run.
   */
  check?(stateFolder: string): void
  /** True if the batches have passed the transforms when they come out of `open`. */
  readonly runsStages?: boolean
  /** False if this is one of several inputs of the same run: the log then says nothing about a whole run. Default: true. */
  readonly isWhole?: boolean
  /** Called once, after the delivery and the stages are open. */
  open(options: OpenInputOptions): Promise<OpenedInput>
}

interface OpenInputOptions {
  /** The pipeline's own state folder. */
  readonly stateFolder: string
  readonly delivery: Delivery
  readonly stages: readonly Stage[]
  readonly paths: Paths
  readonly limits: ScanLimits
  /** Counts the records and bytes that were read. */
  readonly intake: Intake
  readonly events: RunEvents
  /** Aborted when the run is asked to end. */
  readonly stop: AbortSignal
}

interface OpenedInput {
  readonly batches: AsyncIterable<Batch>
  /** How much there is to read, if known. */
  readonly extent: InputExtent | undefined
}
