import type { LimitFunction } from 'p-limit'
import type { ReadOptions } from '../../component.ts'
import type { Chunk } from '../../record/chunk.ts'
import type { AccessKeys } from './access.ts'
import type { HttpOptions } from './options.ts'
import type { Pace } from './transport/rate-limit.ts'
import type { ApiClock } from './windows/api-clock.ts'
import type { Clock } from '../../clock.ts'

/** Shared by the readers of all tenants during one run. */
export interface RunContext {
  readonly options: HttpOptions
  readonly read: Pick<ReadOptions, 'position' | 'follow' | 'maxLine' | 'note' | 'time' | 'announce'>
  readonly access: AccessKeys
  readonly clock: ApiClock
  readonly time: Clock
  readonly pace: Pace
  /** Limits concurrent responses, of all tenants together. */
  readonly limit: LimitFunction
  /** Aborts all work at once. */
  readonly signal: AbortSignal
  /** Ends polling: readers finish what is available now. Also aborts with `signal`. */
  readonly draining: AbortSignal
  /** Resolves when the consumer has room for the chunk. @throws if the consumer is gone. */
  put(chunk: Chunk): Promise<void>
}
