import { Automaton } from './automaton.ts'
import { formatPath, parsePath } from './grammar.ts'
import type { Segment } from './grammar.ts'

/**
 * One path of a pipeline, for example `initiated_by.email`, `changes[*].{from,to}`, `**.password`, `a["odd.key"]` or
 * `/pass(word)?/i` (a key pattern). Made by `Paths.add`; stages keep it and ask batches and records with it.
 *
 * Keys are compared by what they spell (`pass\u0077ord` is `password`), code point by code point. Key patterns are tested on the key's
 * NFKC form as well. `**` stands for any number of members and elements, none included: `**.password` is also the top-level `password`.
 */
export interface Path {
  /** Its column in every index scanned after it was added. */
  readonly id: number
  readonly text: string
  /** The keys, when the path consists of nothing else: then it names at most one value of a record. */
  readonly keys: readonly string[] | undefined
  /** The path to the object that holds it; undefined at the top level and for paths with wildcards. */
  readonly parent: Path | undefined
}

/**
 * The paths of one pipeline and the automaton that finds them: a state of the scanner is a set of places in the paths,
 * built when a (state, key) pair is first seen. The scanner knows no path syntax.
 *
 * Paths may be added at any time. An index knows the paths that were there when it was made, see `RecordIndex.pathCount`.
 */
export class Paths {
  readonly #segments: (readonly Segment[])[] = []
  readonly #paths: Path[] = []
  readonly #byText = new Map<string, Path>()
  #automaton: Automaton | undefined

  /**
   * The same path for the same text (and for another spelling of it). A path of keys brings its parents along, since only they tell that
   * an object on the way stands twice in a record.
   * @throws SluiceError PATH_INVALID, naming the character where the text goes wrong.
   */
  add(text: string): Path {
    return this.#byText.get(text) ?? this.#addSegments(text, parsePath(text))
  }

  /** Whether `add` would give a path that is here already. */
  has(text: string): boolean {
    return this.#byText.has(text)
  }

  get size(): number {
    return this.#paths.length
  }

  /** For the scanner: the automaton of all paths. Another one after a path was added, and when the last one has worn out. */
  automaton(): Automaton {
    if (this.#automaton === undefined || this.#automaton.worn) {
      const plain = Uint8Array.from(this.#paths, (path) => (path.keys === undefined ? 0 : 1))
      this.#automaton = new Automaton([...this.#segments], plain)
    }
    return this.#automaton
  }

  #addSegments(text: string, segments: readonly Segment[]): Path {
    const canonical = formatPath(segments)
    const path = this.#byText.get(canonical) ?? this.#create(text, canonical, segments)
    this.#byText.set(text, path)
    return path
  }

  #create(text: string, canonical: string, segments: readonly Segment[]): Path {
    const keys = keysOf(segments)
    const above = segments.slice(0, -1)
    const parent = keys === undefined || above.length === 0 ? undefined : this.#addSegments(formatPath(above), above)
    const path: Path = { id: this.#paths.length, text, keys, parent }
    this.#paths.push(path)
    this.#segments.push(segments)
    this.#byText.set(canonical, path)
    this.#automaton = undefined
    return path
  }
}

function keysOf(segments: readonly Segment[]): readonly string[] | undefined {
  const keys: string[] = []
  for (const segment of segments) {
    if (segment.kind !== 'keys' || segment.keys.length > 1) return undefined
    keys.push(segment.keys[0])
  }
  return keys
}
