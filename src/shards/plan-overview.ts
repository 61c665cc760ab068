import type { SourcePart } from '../component.ts'
import type { PlannedShard } from './plan.ts'

/** What a plan holds of one kind of content. */
export interface ContentOverview {
  /** Undefined if it is detected when the input is read. */
  readonly format: string | undefined
  readonly compression: string | undefined
  readonly inputs: number
  readonly parts: number
  /** As stored. */
  readonly bytes: number
  /** The largest part. */
  readonly sample: SourcePart
}

/** Sums up a plan while it is made. Its memory does not grow with the plan. */
export class PlanOverview {
  readonly #contents = new Map<string, { -readonly [Key in keyof ContentOverview]: ContentOverview[Key] }>()
  #lastInput: string | undefined
  #shards = 0
  #inputs = 0
  #bytes = 0
  #largest: { readonly input: string; readonly bytes: number } | undefined

  add({ parts, bytes }: PlannedShard): void {
    this.#shards++
    this.#bytes += bytes
    if (bytes > (this.#largest?.bytes ?? 0)) this.#largest = { input: largestInput(parts), bytes }
    for (const part of parts) this.#addPart(part)
  }

  get inputs(): number {
    return this.#inputs
  }

  get shards(): number {
    return this.#shards
  }

  get bytes(): number {
    return this.#bytes
  }

  /** The largest shard, by its largest input. */
  get largest(): { readonly input: string; readonly bytes: number } | undefined {
    return this.#largest
  }

  /** The largest first. */
  get contents(): ContentOverview[] {
    return [...this.#contents.values()].toSorted((one, other) => other.bytes - one.bytes)
  }

  /** The parts of an input come one after the other. */
  #addPart(part: SourcePart): void {
    const { input, bytes, format, compression } = part
    // The format of compressed content is not known before it is read, or only by chance.
    const shown = compression === undefined ? format : undefined
    const key = `${shown ?? ''} ${compression ?? ''}`
    const content = this.#contents.get(key) ?? {
      format: shown,
      compression,
      inputs: 0,
      parts: 0,
      bytes: 0,
      sample: part,
    }
    this.#contents.set(key, content)
    const isNew = input !== this.#lastInput
    this.#lastInput = input
    if (isNew) this.#inputs++
    if (isNew) content.inputs++
    if (bytes > content.sample.bytes) content.sample = part
    content.parts++
    content.bytes += bytes
  }
}

function largestInput(parts: readonly SourcePart[]): string {
  return parts.reduce((largest, part) => (part.bytes > largest.bytes ? part : largest), parts[0]).input
}
