import { RecordState } from '../../record/batch.ts'
import type { Batch } from '../../record/batch.ts'
import type { Paths } from '../../record/paths/path.ts'
import { ROUTES_STAGE } from './routes.ts'
import type { RecordTest, Routes } from './routes.ts'

/** The records of a batch that one sink gets. */
export interface Share {
  /** Name of the sink. */
  readonly sink: string
  /** In order. */
  readonly records: Uint32Array
}

interface RouterOptions {
  /** Default: every sink gets every record. */
  readonly routes?: Routes | undefined
  /** Names of all sinks. */
  readonly sinks: readonly string[]
  /** Gets the paths of the conditions. No batch may be scanned before. */
  readonly paths: Paths
}

/**
 * Sends records to sinks. For each batch call `enter` before the deduplication and `share` after it:
 * a record that goes nowhere adds no dedup key, and a duplicate goes nowhere.
 */
export class Router {
  readonly #tests: readonly RecordTest[]
  /** The sinks of each route, and at the end those of records that no route takes. */
  readonly #to: readonly (readonly string[])[]
  readonly #others: Routes['others']
  /** The route of each record of the batch. */
  #routeOf = new Uint16Array(0)
  /** The records of the batch by route. */
  readonly #counts: Uint32Array

  constructor({ routes = { routes: [], others: [] }, sinks, paths }: RouterOptions) {
    const { routes: all, others } = routes
    this.#tests = all.map(({ takes }) => takes?.(paths) ?? (() => true))
    this.#others = all.length === 0 ? sinks : others
    this.#to = [...all.map(({ to }) => to), typeof this.#others === 'string' ? [] : this.#others]
    this.#counts = new Uint32Array(this.#to.length)
  }

  /** Finds the route of each live record. Drops or rejects those that go nowhere, as configured. */
  enter(batch: Batch): void {
    const tests = this.#tests
    if (tests.length === 0) return
    if (this.#routeOf.length < batch.count) this.#routeOf = new Uint16Array(2 * batch.count)
    for (let record = 0; record < batch.count; record++) {
      if (batch.states[record] !== RecordState.live) continue
      const route = this.#find(batch, record)
      this.#routeOf[record] = route
      if (route < tests.length || batch.states[record] !== RecordState.live) continue
      if (this.#others === 'drop') batch.drop(record, ROUTES_STAGE)
      else if (this.#others === 'reject') batch.reject(record, 'UNROUTED', ROUTES_STAGE)
    }
  }

  /** The first route that takes a record; if it cannot decide, the record is rejected. */
  #find(batch: Batch, record: number): number {
    const tests = this.#tests
    for (let route = 0; route < tests.length; route++) {
      const taken = tests[route](batch, record)
      if (taken === true) return route
      if (taken === false) continue
      batch.reject(record, taken.code, ROUTES_STAGE, `routes[${route}].where: ${taken.message}`)
      break
    }
    return tests.length
  }

  /** Divides the written records of the batch that was entered last among the sinks. */
  share(written: Uint32Array): Share[] {
    if (written.length === 0) return []
    const only = this.#onlyRoute(written)
    if (only !== undefined) return this.#to[only].map((sink) => ({ sink, records: written }))
    const shares = new Map<string, { sink: string; records: Uint32Array; length: number }>()
    for (const [route, sinks] of this.#to.entries()) {
      for (const sink of sinks) {
        const length = (shares.get(sink)?.length ?? 0) + this.#counts[route]
        shares.set(sink, { sink, records: written, length })
      }
    }
    const taking = [...shares.values()].filter(({ length }) => length > 0)
    for (const share of taking) {
      share.records = new Uint32Array(share.length)
      share.length = 0
    }
    const byRoute = this.#to.map((sinks) => taking.filter(({ sink }) => sinks.includes(sink)))
    for (const record of written)
      for (const share of byRoute[this.#routeOf[record]]) share.records[share.length++] = record
    return taking.map(({ sink, records }) => ({ sink, records }))
  }

  /** The route of all written records if they have the same one. Counts them otherwise. */
  #onlyRoute(written: Uint32Array): number | undefined {
    if (this.#tests.length === 0) return 0
    this.#counts.fill(0)
    for (const record of written) this.#counts[this.#routeOf[record]]++
    const first = this.#routeOf[written[0]]
    return this.#counts[first] === written.length ? first : undefined
  }
}
