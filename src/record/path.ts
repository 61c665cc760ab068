/**
 * One path of a pipeline, for example `initiated_by.email`, `changes[*].{from,to}`, `**.password`, `a["odd.key"]` or
 * `/pass(word)?/i` (a key pattern). Made by `Paths.add`; stages keep it and ask batches and records with it.
 */
export interface Path {
  /** Its column in every index scanned after it was added. */
  readonly id: number
  readonly text: string
  /** The keys, when the path consists of nothing else: then it names at most one value of a record. */
  readonly keys: readonly string[] | undefined
}

/**
 * The paths of one pipeline and the automaton that finds them: a state of the scanner is a set of places in the paths,
 * built when a (state, key) pair is first seen. The scanner knows no path syntax.
 */
export class Paths {
  /** The same path for the same text. @throws SluiceError PATH_INVALID, naming the character where the text goes wrong. */
  add(_text: string): Path {
    throw new Error('unwritten')
  }

  get size(): number {
    return 0
  }
}
