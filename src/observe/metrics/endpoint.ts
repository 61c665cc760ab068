/** How a request has ended. */
interface Answer {
  readonly origin: string
  /** Undefined without a response. */
  readonly status?: number | undefined
  readonly code?: string | undefined
}

/** Finds out whether an origin is there. `speaks`: it has to answer a request, and not with 5xx. Undefined: not known. */
export type Reach = (origin: string, options: { readonly speaks: boolean }) => Promise<boolean | undefined>

interface Evidence {
  readonly isUp: boolean
  /** Why it is not. */
  readonly why: string
  /** The last request was answered, if only with an error. */
  readonly hasResponse: boolean
  /** By `performance.now()`. */
  readonly at: number
  /** Since when it is up or down. */
  readonly since: number
}

/**
 * What is known of the hosts that a source or a sink talks to: how their last requests have ended, and, where the
 * last one is some seconds ago, whether the host can still be reached.
 */
export class Endpoint {
  readonly #origins = new Map<string, Evidence>()
  #hasAnswered = false
  #isProbing = false

  /** It has answered a request. */
  get hasAnswered(): boolean {
    return this.#hasAnswered
  }

  /** Why it is away; undefined if it is not, or if nothing is known. */
  get problem(): { readonly origin: string; readonly why: string; readonly seconds: number } | undefined {
    for (const [origin, { isUp, why, since }] of this.#origins)
      if (!isUp) return { origin, why, seconds: Math.round((performance.now() - since) / 1000) }
    return undefined
  }

  /** Takes how a request has ended. */
  take({ origin, status, code = 'no response' }: Answer): void {
    // The run has ended it itself.
    if (code === 'aborted') return
    if (status === undefined) return this.#save(origin, { isUp: false, why: code, hasResponse: false })
    this.#hasAnswered = true
    this.#save(origin, { isUp: status < 500, why: `status ${status}`, hasResponse: true })
  }

  /** Looks whether the hosts are there, if no request has said so lately. Never rejects. */
  async probe(reach: Reach): Promise<void> {
    if (this.#isProbing) return
    this.#isProbing = true
    const old = [...this.#origins].filter(([, { at }]) => performance.now() - at > LATELY)
    await Promise.all(
      old.map(async ([origin, before]) => {
        const speaks = !before.isUp && before.hasResponse
        const isUp = await reach(origin, { speaks }).catch(() => undefined)
        // A request has ended meanwhile.
        if (isUp === undefined || this.#origins.get(origin) !== before) return
        const why = isUp ? '' : speaks ? before.why : 'no connection'
        this.#save(origin, { isUp, why, hasResponse: before.hasResponse })
      }),
    )
    this.#isProbing = false
  }

  #save(origin: string, evidence: Pick<Evidence, 'isUp' | 'why' | 'hasResponse'>): void {
    const before = this.#origins.get(origin)
    const at = performance.now()
    const since = before?.isUp === evidence.isUp ? before.since : at
    this.#origins.set(origin, { ...evidence, at, since })
  }
}

/** Milliseconds. */
const LATELY = 1500
