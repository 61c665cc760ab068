import { Automaton } from './automaton.ts'
import type { Trace, Watch } from './automaton.ts'
import { formatPath, parsePath } from './grammar.ts'
import type { Segment } from './grammar.ts'
import type { Needles } from './needles.ts'
import { mayMeet } from './reaches.ts'

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
  /** JSON text of the last key of a path of keys, with its colon. Otherwise empty. */
  readonly name: Buffer
}

const NO_NAME = Buffer.alloc(0)

/** What a stage asks of the records. */
export interface Questions {
  readonly paths: Set<Path>
  /** It also reads members that none of its paths matches. */
  readsAll: boolean
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
  #trace: Trace | undefined
  /** What is asked outside of `collect`. */
  readonly #others: Questions = { paths: new Set(), readsAll: false }
  #asking = this.#others

  /**
   * Calls `create` of a stage, and returns what it asks with the paths that it adds. One call at a
   * time.
   */
  async collect<Made>(create: () => Made | Promise<Made>): Promise<readonly [Made, Questions]> {
    const asked: Questions = { paths: new Set(), readsAll: false }
    this.#asking = asked
    try {
      return [await create(), asked]
    } finally {
      this.#asking = this.#others
    }
  }

  /** What is asked outside of stages: by the delivery. */
  get others(): Questions {
    return this.#others
  }

  /** Says that who adds paths also reads members beside the values that they match. */
  readsNeighbours(): void {
    this.#asking.readsAll = true
  }

  /** Whether an answer may depend on the value at these keys. */
  dependsOn({ paths, readsAll }: Questions, keys: readonly string[]): boolean {
    if (readsAll) return true
    for (const { id } of paths) {
      const segments = this.#segments[id]
      // The watched strings may be anywhere.
      if (segments.length === 0 || mayMeet(segments, keys)) return true
    }
    return false
  }

  /**
   * Adds a path. Returns the same object for the same text, and for another spelling of the same
   * path. A path of keys adds its parents too: without them, a duplicate key on the way to the
   * value would go unnoticed.
   * @throws SluiceError PATH_INVALID with the position of the syntax error.
   */
  add(text: string): Path {
    const path = this.#byText.get(text) ?? this.#addSegments(text, parsePath(text))
    for (let asked: Path | undefined = path; asked !== undefined; asked = asked.parent) this.#asking.paths.add(asked)
    return path
  }

  /** Adds a path that no text can spell, for example one with a test of its own for keys. */
  addSegments(segments: readonly Segment[]): Path {
    const path = this.#addSegments(formatPath(segments), segments)
    this.#asking.paths.add(path)
    return path
  }

  /**
   * Adds the path of all string values that hold one of the needles, wherever they are. There is one
   * list of needles for all stages.
   */
  watch(needles: Needles): Path {
    if (this.#watch === undefined) {
      this.#watch = { path: this.#paths.length, needles }
      this.#create(WATCHED, WATCHED, [])
    }
    if (this.#watch.needles !== needles) throw new Error('the strings are watched for other needles')
    const path = this.#paths[this.#watch.path]
    this.#asking.paths.add(path)
    return path
  }

  /**
   * Adds the path of all string values that have one of these traits, wherever they are, and of all
   * numbers with `Trait.digits`. There is one such path for all stages: a stage may get values that
   * have only a trait of another stage.
   */
  trace(traits: number): Path {
    if (this.#trace === undefined) {
      this.#trace = { path: this.#paths.length, traits }
      this.#create(TRACED, TRACED, [])
    } else {
      this.#trace = { path: this.#trace.path, traits: this.#trace.traits | traits }
      this.#automaton = undefined
    }
    const path = this.#paths[this.#trace.path]
    this.#asking.paths.add(path)
    return path
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
      this.#automaton = new Automaton([...this.#segments], plain, this.#watch, this.#trace)
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
    const name = keys === undefined ? NO_NAME : Buffer.from(`${JSON.stringify(keys.at(-1))}:`)
    const path: Path = { id: this.#paths.length, text, keys, parent, name }
    this.#paths.push(path)
    this.#segments.push(segments)
    this.#byText.set(canonical, path)
    this.#automaton = undefined
    return path
  }
}

/** Not the text of a path: a record path cannot contain these characters. */
const WATCHED = '<watched strings>'
const TRACED = '<strings with traits>'

/** The keys of a path that consists of single keys; undefined for any other. */
export function keysOf(segments: readonly Segment[]): readonly string[] | undefined {
  const keys: string[] = []
  for (const segment of segments) {
    if (segment.kind !== 'keys' || segment.keys.length > 1) return undefined
    keys.push(segment.keys[0])
  }
  return keys
}
