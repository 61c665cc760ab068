import type { RunEvents } from '../observe/bus/run-events.ts'
import type { StoreObserver } from '../s3/store-observer.ts'

/** Publishes each request of a source or sink to its store. @param of the source, or the sink by its names */
export function observeStore(
  events: RunEvents,
  of: { readonly stage: string; readonly sink?: string | undefined },
): StoreObserver {
  return (request) => events.publish('sluice:store:request', { ...of, ...request })
}
