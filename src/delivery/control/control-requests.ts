import type { JsonObject } from '../../record/json/json.ts'

/**
 * Answers one request. The answer is complete when its promise resolves; an error becomes the last
 * line of the answer. It may run while batches do: what it does synchronously must be short.
 */
export type ControlHandler = (request: JsonObject, reply: ControlReply) => void | Promise<void>

export interface ControlReply {
  /**
   * Sends a part of the answer, which JSON can hold. Never waits. Returns false if the peer is gone or
   * reads too slowly: the part is dropped, and the peer learns later how many were.
   */
  send(data: unknown): boolean
  /** Aborted when the peer is gone, or when the state is about to be released. End the answer then. */
  readonly gone: AbortSignal
}

/**
 * What the process that owns a state can be asked over the socket of its owner lock. The layers above
 * add commands: a run adds `status`. Requests and answers are in docs/watch-a-run.md.
 */
export class ControlRequests {
  readonly #handlers = new Map<string, ControlHandler>()

  /**
   * Adds a command, or replaces it.
   * @returns a function that removes it again
   */
  on(command: string, handler: ControlHandler): () => void {
    this.#handlers.set(command, handler)
    return () => {
      if (this.#handlers.get(command) === handler) this.#handlers.delete(command)
    }
  }

  get(command: string): ControlHandler | undefined {
    return this.#handlers.get(command)
  }

  get commands(): string[] {
    return [...this.#handlers.keys()].toSorted()
  }
}
