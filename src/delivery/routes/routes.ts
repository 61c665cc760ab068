import type { Batch } from '../../record/batch.ts'
import type { Paths } from '../../record/paths/path.ts'

/** Which sinks get a record: those of the first route that takes it. */
export interface Routes {
  readonly routes: readonly Route[]
  /** The sinks that get what no route takes; or it is dropped or rejected under `ROUTES_STAGE`. */
  readonly others: readonly string[] | 'drop' | 'reject'
}

export interface Route {
  /** Compiles the condition of the route. Absent: the route takes every record that reaches it. */
  readonly takes?: ((paths: Paths) => RecordTest) | undefined
  /** Names of sinks, at least one. */
  readonly to: readonly string[]
}

/** Decides about a live record of a batch, on its bytes; or says why that is not possible. */
export type RecordTest = (batch: Batch, record: number) => boolean | Undecided

/** The record is rejected with this code. */
interface Undecided {
  readonly code: string
  /** Without content of the record. */
  readonly message: string
}

/** The name of the routes among the stages of a pipeline. */
export const ROUTES_STAGE = 'routes'
