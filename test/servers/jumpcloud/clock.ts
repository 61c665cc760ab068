export interface Clock {
  /** Server time in epoch milliseconds. */
  now(): number
  set(time: number): void
  advance(milliseconds: number): void
}

/** Runs in real time from `start`, or changes only when it is set if `frozen`. */
export function createClock(start: number, frozen: boolean): Clock {
  let base = start
  let since = performance.now()
  const now = (): number => (frozen ? base : base + Math.floor(performance.now() - since))
  const set = (time: number): void => {
    base = time
    since = performance.now()
  }
  return { now, set, advance: (milliseconds) => set(now() + milliseconds) }
}
