import { join } from 'node:path'
import { parseKeyTemplate } from '../fields/key-template.ts'
import type { Files } from '../files.ts'
import type { CommitOptions, ObjectTarget } from './commit-options.ts'
import { namesOf, OutboxEpoch } from './outbox/outbox.ts'
import type { OutboxOptions, OutboxTarget } from './outbox/outbox.ts'
import { compileKeyTemplate, fixedFolder } from './outbox/partitioner.ts'
import type { State } from './state/state.ts'

/** The epoch that batches are written to, until it is committed. */
export class OpenEpoch {
  readonly number: number
  readonly files: OutboxEpoch
  #isOverdue = false
  readonly #timer: NodeJS.Timeout

  /** @param overdue called once, when the epoch is older than `maxAge` milliseconds. */
  constructor(
    { number, files, maxAge }: { readonly number: number; readonly files: OutboxEpoch; readonly maxAge: number },
    overdue: () => void,
  ) {
    this.number = number
    this.files = files
    this.#timer = setTimeout(
      () => {
        this.#isOverdue = true
        overdue()
      },
      Math.min(maxAge, LONGEST_TIMER),
    )
  }

  /** True if a file, or the number of records, has reached its limit, or the epoch is too old. */
  get isDue(): boolean {
    return this.#isOverdue || this.files.isFull
  }

  stopTimer(): void {
    clearTimeout(this.#timer)
  }
}

/** The longest delay that setTimeout accepts, about 24 days. */
const LONGEST_TIMER = 2 ** 31 - 1

export interface EpochParts {
  readonly options: CommitOptions
  readonly files: Files
  readonly state: State
  readonly targets: readonly OutboxTarget[]
  readonly now: () => number
}

/**
 * Opens the next epoch. `overdue` is called once, when the epoch is older than the smallest
 * `roll.maxAge`.
 */
export function openEpoch(
  { options, files, state, targets, now }: EpochParts,
  overdue: (epoch: OpenEpoch) => void,
): OpenEpoch {
  const number = state.nextEpoch
  const maxAge = Math.min(...targets.map(({ roll }) => roll.maxAge))
  const outbox = outboxOptions({ ...options, files, targets, generation: state.generation })
  const epoch: OpenEpoch = new OpenEpoch(
    { number, files: new OutboxEpoch(outbox, namesOf(number), now()), maxAge },
    () => overdue(epoch),
  )
  return epoch
}

/** The options of an epoch's files in a state folder. */
export function outboxOptions(
  options: Pick<CommitOptions, 'folder' | 'pipeline' | 'bufferBytes'> &
    Pick<OutboxOptions, 'files' | 'targets' | 'generation'>,
): OutboxOptions {
  const { folder, bufferBytes = BUFFER_BYTES, pipeline, files, targets, generation } = options
  return { folder: outboxFolder(folder), bufferBytes, pipeline, files, targets, generation }
}

/** Default of `CommitOptions.bufferBytes`. */
export const BUFFER_BYTES = 32 << 20

/** The outbox in a pipeline's state folder. */
export function outboxFolder(folder: string): string {
  return join(folder, 'outbox')
}

/** The sinks of a pipeline as the outbox knows them, `rejects` last. Adds the paths of their keys. */
export function outboxTargets({
  pipeline,
  paths,
  sinks,
  rejects,
}: Pick<CommitOptions, 'pipeline' | 'paths' | 'sinks' | 'rejects'>): OutboxTarget[] {
  const compile = (target: ObjectTarget): OutboxTarget => ({
    name: target.name,
    type: target.type,
    sink: target.sink,
    key: compileKeyTemplate(parseKeyTemplate(target.key), { pipeline, paths }),
    folder: fixedFolder(parseKeyTemplate(target.key), pipeline),
    compression: target.compression,
    ...(target.compressionLevel !== undefined && { compressionLevel: target.compressionLevel }),
    roll: target.roll,
  })
  return [...sinks, ...(rejects ? [rejects] : [])].map(compile)
}
