import { Automaton } from './automaton.ts'
import type { Watch } from './automaton.ts'
import { formatPath, parsePath } from './grammar.ts'
import type { Segment } from './grammar.ts'
import type { Needles } from './needles.ts'

/**
 * A path of a pipeline, for example `initiated_by.email`, `changes[*].{from,to}`, `**.password`,
 * `a["odd.key"]` or `/pass(word)?/i` (a key pattern). `Paths.add` creates it. Stages keep it and
 * query batches and records with it.
 *
 * Keys are compared after decoding (`pass\u0077ord` is `password`), code point by code point. Key
 * patterns are also tested on the NFKC form of the key. `**` matches any number of members and
 * elements, including none: `**.password` also matches the top-level `password`.
 */
export interface Path {
  /** Number of the path's column in every index that was scanned after the path was added. */
  readonly id: number
  readonly text: string
  /**
   * The keys of a path that consists of keys only; it matches at most one value of a record.
   * Otherwise undefined.
   */
  readonly keys: readonly string[] | undefined
  /**
   * The path of the object around the value; undefined at the top level and for paths with
   * wildcards.
   */
  readonly parent: Path | undefined
}

/**
 * The paths of one pipeline, and the automaton that matches them.
 *
 * Paths may be added at any time. An index contains the paths that existed when it was created, see
 * `RecordIndex.pathCount`.
 */
export class Paths {
  readonly #segments: (readonly Segment[])[] = []
  readonly #paths: Path[] = []
  readonly #byText = new Map<string, Path>()
  #automaton: Automaton | undefined
  #watch: Watch | undefined

  /**
   * Adds a path. Returns the same object for the same text, and for another spelling of the same
   * path. A path of keys adds its parents too: without them, a duplicate key on the way to the
   * value would go unnoticed.
   * @throws SluiceError PATH_INVALID with the position of the syntax error.
   */
  add(text: string): Path {
    return this.#byText.get(text) ?? this.#addSegments(text, parsePath(text))
  }

  /** Adds a path that no text can spell, for example one with a test of its own for keys. */
  addSegments(segments: readonly Segment[]): Path {
    return this.#addSegments(formatPath(segments), segments)
  }

  /**
   * Adds the path of all string values that hold one of the needles, wherever they are. There is one
   * list of needles for all stages.
   */
  watch(needles: Needles): Path {
    if (this.#watch === undefined) {
      this.#watch = { path: this.#paths.length, needles }
      return this.#create(WATCHED, WATCHED, [])
    }
    if (this.#watch.needles !== needles) throw new Error('the strings are watched for other needles')
    return this.#paths[this.#watch.path]
  }

  /** Whether a path was added with this text. */
  has(text: string): boolean {
    return this.#byText.has(text)
  }

  get size(): number {
    return this.#paths.length
  }

  /**
   * The automaton of all paths, for the scanner. It is replaced after a path was added, and when it
   * is worn.
   */
  automaton(): Automaton {
    if (this.#automaton === undefined || this.#automaton.worn) {
      const plain = Uint8Array.from(this.#paths, (path) => (path.keys === undefined ? 0 : 1))
      this.#automaton = new Automaton([...this.#segments], plain, this.#watch)
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
    const keys = segments.length === 0 ? undefined : keysOf(segments)
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

/** Not the text of a path: a record path cannot contain these characters. */
const WATCHED = '<watched strings>'

/** The keys of a path that consists of single keys; undefined for any other. */
export function keysOf(segments: readonly Segment[]): readonly string[] | undefined {
  const keys: string[] = []
  for (const segment of segments) {
    if (segment.kind !== 'keys' || segment.keys.length > 1) return undefined
    keys.push(segment.keys[0])
  }
  return keys
}
