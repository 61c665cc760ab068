/** How far the clock of this machine is ahead of those of the servers that a run asks. */
export class ClockSkew {
  /** By origin, in milliseconds. */
  readonly #ahead = new Map<string, number>()

  /** A response, whose `clockAhead` is undefined if it has no time. */
  take({ origin, clockAhead }: { readonly origin: string; readonly clockAhead?: number | undefined }): void {
    if (clockAhead !== undefined) this.#ahead.set(origin, clockAhead)
  }

  /** Of the server whose clock differs most; negative if ours is slow. Undefined while no server has sent its time. */
  get seconds(): number | undefined {
    const [most] = [...this.#ahead.values()].toSorted((a, b) => Math.abs(b) - Math.abs(a))
    return most === undefined ? undefined : most / 1000
  }
}
