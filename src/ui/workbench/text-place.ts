/** A pipeline file, and what an editor holds of it. */
export interface TextPlace {
  /** The project folder. */
  readonly root: string
  readonly name: string
  /** Undefined: what is in the file. */
  readonly text: string | undefined
}
