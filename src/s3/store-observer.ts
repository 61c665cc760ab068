import type { Events, OfRun } from '../observe/bus/events.ts'

/** What is known of a request to a store where it is sent. */
type StoreRequestFacts = Omit<Events['sluice:store:request'], keyof OfRun | 'stage' | 'sink'>

/** Takes each attempt of a request. Does not throw. */
export type StoreObserver = (request: StoreRequestFacts) => void
