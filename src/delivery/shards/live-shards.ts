import type { LeaveOutFile, ObjectRow } from '../state/rows.ts'
import type { ShardResult } from './shard.ts'

/** A shard that this process has begun, or whose objects are gone. */
export interface LiveShard {
  /** Executions under way. */
  executing: number
  /** What the next execution leaves out. */
  list: LeaveOutFile | undefined
  /** All keys of the list are committed. */
  leavesOutCommitted?: boolean
  /** A result, and the shards that have to be committed before it. */
  waiting: { readonly result: ShardResult; readonly for: Set<number> } | undefined
  /** Committed objects that were staged and are gone. */
  readonly gone: ObjectRow[]
}

/** The shards that are under way, and those of them to execute again. In memory only. */
export class LiveShards {
  readonly #notify: () => void
  readonly #live = new Map<number, LiveShard>()
  /** Shards to execute before those that nobody has begun. */
  readonly #again: number[] = []
  /** Number of the last execution of each shard. */
  readonly #attempts = new Map<number, number>()

  /** @param notify called when there is a shard to execute again */
  constructor(notify: () => void) {
    this.#notify = notify
  }

  get size(): number {
    return this.#live.size
  }

  has(shard: number): boolean {
    return this.#live.has(shard)
  }

  /** Adds the shard if it is not live. */
  of(shard: number): LiveShard {
    const live = this.#live.get(shard) ?? { executing: 0, list: undefined, waiting: undefined, gone: [] }
    this.#live.set(shard, live)
    return live
  }

  /** The shard is not under way any more. */
  delete(shard: number): void {
    this.#live.delete(shard)
  }

  /** An execution begins. */
  begin(shard: number): { readonly live: LiveShard; readonly attempt: number } {
    const live = this.of(shard)
    live.executing++
    const attempt = (this.#attempts.get(shard) ?? 0) + 1
    this.#attempts.set(shard, attempt)
    return { live, attempt }
  }

  /** An execution has ended. No-op if the shard is not live. */
  ended(shard: number): void {
    const live = this.#live.get(shard)
    if (live && live.executing > 0) live.executing--
  }

  /** True if a shard has to be executed again. */
  get hasAgain(): boolean {
    return this.#again.length > 0
  }

  /** A shard to execute again. A committed one whose result is in the meantime not needed any more is left out. */
  nextAgain(isDone: (shard: number) => boolean): number | undefined {
    for (;;) {
      const shard = this.#again.shift()
      if (shard === undefined || !isDone(shard) || this.of(shard).gone.length > 0) return shard
    }
  }

  /** Unless an execution of the shard is under way, or its result waits. */
  executeAgain(shard: number): void {
    const live = this.of(shard)
    if (live.executing > 0 || live.waiting || this.#again.includes(shard)) return
    this.#again.push(shard)
    this.#notify()
  }

  /** Also while another execution of the shard is under way: it was begun with another list. */
  executeWithNewList(shard: number): void {
    if (!this.#again.includes(shard)) this.#again.push(shard)
  }

  /** Results do not wait for the shard any more. Returns the shards whose results did. */
  stopWaitingFor(shard: number): number[] {
    const waited: number[] = []
    for (const [number, { waiting }] of this.#live) if (waiting?.for.delete(shard) === true) waited.push(number)
    return waited
  }

  /** Numbers of executions under way, and of results that wait. */
  counts(): { readonly executing: number; readonly waiting: number } {
    const live = [...this.#live.values()]
    return {
      executing: live.reduce((sum, { executing }) => sum + executing, 0),
      waiting: live.filter(({ waiting }) => waiting).length,
    }
  }
}
