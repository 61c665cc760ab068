import type { Batch } from '../../record/batch.ts'

/** Where a tap is: before or after a transform. */
export interface TapPlace {
  /** Place of the transform in the pipeline file, from 0. */
  readonly position: number
  readonly isBefore: boolean
}

/** Looks at a batch that passes, and changes nothing. Must be short: the run waits for it. */
export type Look = (batch: Batch) => void

/**
 * The taps of a run. While there are none, a batch that passes a stage costs one look at a flag.
 */
export class Taps {
  readonly #looks = new Map<Look, TapPlace>()

  get isOpen(): boolean {
    return this.#looks.size > 0
  }

  /** @returns a function that removes the tap */
  open(place: TapPlace, look: Look): () => void {
    this.#looks.set(look, place)
    return () => void this.#looks.delete(look)
  }

  pass(batches: readonly Batch[], { position, isBefore }: TapPlace): void {
    for (const [look, place] of this.#looks)
      if (place.position === position && place.isBefore === isBefore) for (const batch of batches) look(batch)
  }
}

/** The part of a stage that is tapped. */
interface Tapped {
  run(batch: Batch): Batch[] | Promise<Batch[]>
}

/** A stage whose batches can be looked at. */
export function tapStage<Stage extends Tapped>(stage: Stage, position: number, taps: Taps): Stage {
  const pass = (made: Batch[]): Batch[] => {
    taps.pass(made, { position, isBefore: false })
    return made
  }
  const run: Tapped['run'] = (batch) => {
    if (!taps.isOpen) return stage.run(batch)
    taps.pass([batch], { position, isBefore: true })
    const made = stage.run(batch)
    return made instanceof Promise ? made.then(pass) : pass(made)
  }
  return { ...stage, run }
}
