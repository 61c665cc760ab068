import type { EpochCommit, Events, StateOpen } from '../bus/events.ts'
import { formatSpan } from '../report.ts'
import { Endpoint } from './endpoint.ts'
import type { Reach } from './endpoint.ts'

/** Why a pipeline is ready or not. */
export interface PipelineReadiness {
  readonly ready: boolean
  /** Why it is not, for people. Empty if it is. */
  readonly reasons: readonly string[]
  /** Now, minus the committed event time, of the source partition that is the furthest back. */
  readonly freshnessSeconds?: number
}

/** Sources whose requests are seen. */
const ASKING = new Set(['http', 'jumpcloud', 's3'])

/** What is known of the readiness of one pipeline. */
export class PipelineHealth {
  readonly #maxLag: number | undefined
  readonly #source = new Endpoint()
  #sinks = new Map<string, Endpoint>()
  /** The source sends requests from this thread. */
  #asks = false
  #state: 'opening' | 'open' | 'ended' | { readonly failed: string } = 'opening'
  /** Sinks whose outbox is full. */
  readonly #full = new Set<string>()
  /** Event times, by source partition. */
  readonly #readUpTo = new Map<string, number>()

  /** @param maxLag in milliseconds */
  constructor(maxLag: number | undefined) {
    this.#maxLag = maxLag
  }

  started({ source, sinks }: Events['sluice:run:start']): void {
    this.#state = 'opening'
    this.#asks = ASKING.has(source.type)
    this.#sinks = new Map(sinks.map(({ sink }) => [sink, this.#sinks.get(sink) ?? new Endpoint()]))
    this.#full.clear()
  }

  ended({ outcome, code }: Events['sluice:run:end']): void {
    this.#state = outcome === 'failed' ? { failed: code ?? 'INTERNAL' } : 'ended'
  }

  opened(message?: StateOpen): void {
    if (this.#state === 'opening') this.#state = 'open'
    if (message === undefined) return
    this.#readUpTo.clear()
    this.committed(message)
  }

  /** Workers read the source. */
  divided(): void {
    this.#asks = false
  }

  committed({ partitions }: Pick<EpochCommit, 'partitions'>): void {
    for (const { partition, readUpTo } of partitions)
      if (readUpTo !== undefined) this.#readUpTo.set(partition, readUpTo)
  }

  sourceAnswered(request: Events['sluice:source:request']): void {
    this.#source.take(request)
  }

  storeAnswered({ sink, ...request }: Events['sluice:store:request']): void {
    if (sink === undefined) this.#source.take(request)
    else this.#sinks.get(sink)?.take(request)
  }

  outboxChanged(sink: string, isFull: boolean): void {
    if (isFull) this.#full.add(sink)
    else this.#full.delete(sink)
  }

  /** Looks whether the hosts are there. Never rejects. */
  async probe(reach: Reach): Promise<void> {
    if (this.#state !== 'open') return
    await Promise.all([this.#source, ...this.#sinks.values()].map((endpoint) => endpoint.probe(reach)))
  }

  readiness(): PipelineReadiness {
    const freshness = this.#freshness()
    const reasons = [...this.#reasons(freshness)]
    return {
      ready: reasons.length === 0,
      reasons,
      ...(freshness && { freshnessSeconds: Math.round(freshness.behind / 100) / 10 }),
    }
  }

  *#reasons(freshness: Freshness | undefined): Generator<string> {
    if (typeof this.#state === 'object') yield `the run has failed: ${this.#state.failed}`
    // Between two runs there is nothing to be ready for.
    if (typeof this.#state === 'object' || this.#state === 'ended') return
    if (this.#state === 'opening') {
      yield 'the state is not open yet'
      return
    }
    if (this.#asks && !this.#source.hasAnswered && this.#source.problem === undefined)
      yield 'the source has not answered yet'
    yield* problemsOf('the source', this.#source)
    for (const [sink, endpoint] of this.#sinks) yield* problemsOf(`the sink ${sink}`, endpoint)
    for (const sink of this.#full) yield `the outbox of the sink ${sink} is full: reading has stopped`
    if (this.#maxLag !== undefined && freshness && freshness.behind > this.#maxLag)
      yield `${freshness.partition} is ${formatSpan(freshness.behind)} behind, more than ${formatSpan(this.#maxLag)}`
  }

  /** Of the source partition that is the furthest back. */
  #freshness(): Freshness | undefined {
    const [oldest] = [...this.#readUpTo].toSorted(([, a], [, b]) => a - b)
    return oldest && { partition: oldest[0], behind: Date.now() - oldest[1] }
  }
}

interface Freshness {
  readonly partition: string
  /** Milliseconds. */
  readonly behind: number
}

function* problemsOf(who: string, { problem }: Endpoint): Generator<string> {
  if (problem) yield `${who} is away: ${problem.why} at ${problem.origin} for ${problem.seconds} s`
}
