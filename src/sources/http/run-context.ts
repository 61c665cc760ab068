import type { LimitFunction } from 'p-limit'
import type { ReadOptions } from '../../component.ts'
import type { Chunk } from '../../record/chunk.ts'
import type { Client } from './client.ts'
import type { HttpOptions } from './options.ts'
import type { Pace } from './transport/rate-limit.ts'
import type { RequestBuilder } from './transport/request.ts'
import type { ApiClock } from './windows/api-clock.ts'

/** What the readers of all tenants share in one run. */
export interface RunContext {
  readonly options: HttpOptions
  readonly read: Pick<ReadOptions, 'position' | 'follow' | 'maxLine' | 'note'>
  readonly requests: RequestBuilder
  /** Those that count. */
  readonly counts: RequestBuilder | undefined
  /** Those that count per hour. */
  readonly hours: RequestBuilder | undefined
  readonly client: Client
  readonly clock: ApiClock
  readonly pace: Pace
  /** Pages of all tenants take turns in its places. */
  readonly limit: LimitFunction
  /** Ends everything. */
  readonly signal: AbortSignal
  /** Ends the waiting for more: readers finish what there is to read now. Aborts with `signal` too. */
  readonly winding: AbortSignal
  /** Resolves when the chunk is taken on. @throws when nobody takes chunks any more. */
  put(chunk: Chunk): Promise<void>
}
