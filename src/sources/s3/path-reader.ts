import type { InputFailure, ReadOptions } from '../../component.ts'
import type { Chunk } from '../../record/chunk.ts'
import { SluiceError } from '../../errors.ts'
import { systemClock } from '../../clock.ts'
import { nameOf } from './get-range.ts'
import type { KeyPattern } from './key-pattern.ts'
import { listObjects } from './list-objects.ts'
import type { ListedObject } from './list-objects.ts'
import type { ObjectPosition, S3Position } from './position.ts'
import { Progress } from './progress.ts'
import { ReadAhead } from './read-ahead.ts'
import { readObject } from './read-object.ts'
import type { Store } from './store.ts'
import { Found, tasksAgain, tasksListed } from './tasks.ts'
import type { PathSettings, Task } from './tasks.ts'
import type { Note } from '../../observe/messages/table.ts'

/** A path of the source, with the position that is committed for it. */
export interface OpenPath {
  readonly pattern: KeyPattern
  readonly partition: string
  readonly saved: S3Position | undefined
}

/** Reads the objects of one path, in the order of their keys. */
export class PathReader {
  readonly #store: Store
  readonly #pattern: KeyPattern
  readonly #settings: PathSettings
  readonly #partition: string
  readonly #options: ReadOptions
  readonly #progress: Progress
  #isFirst = true

  constructor(store: Store, path: OpenPath, settings: PathSettings, options: ReadOptions) {
    this.#store = store
    this.#pattern = path.pattern
    this.#partition = path.partition
    this.#settings = settings
    this.#options = options
    this.#progress = new Progress(path.saved, settings.lookBack)
  }

  /** Reads what is there and was not read. */
  async *read(): AsyncGenerator<Chunk, void> {
    const { signal, follow } = this.#options
    const note: Note = this.#options.note
    const isNew = this.#progress.after === undefined
    const turn = this.#progress.beginPass(this.#now(), this.#settings.lookBackEvery)
    const found = new Found()
    for await (const opened of new ReadAhead(this.#store, this.#tasks(turn, found), signal).open()) {
      yield* this.#readTask(opened.item, opened.read)
      if (signal.aborted) return
    }
    if (signal.aborted) return
    found.log(note)
    if (isNew && found.objects === 0) {
      const error = await nothingFound(this.#store, this.#pattern, this.#settings, signal)
      if (!follow) throw error
      if (this.#isFirst) note('s3.nothing', { text: error.message, hint: error.hint })
    }
    this.#isFirst = false
    if (this.#progress.endPass()) yield this.#positionChunk()
  }

  async *#tasks(turn: 'all' | 'after', found: Found): AsyncGenerator<Task, void> {
    const path = { store: this.#store, pattern: this.#pattern, settings: this.#settings, progress: this.#progress }
    if (this.#isFirst || turn === 'all') yield* tasksAgain(path, this.#isFirst, this.#options)
    yield* tasksListed(path, turn, found, this.#options.signal)
  }

  async *#readTask(task: Task, read: (offset: number) => AsyncIterable<Buffer>): AsyncGenerator<Chunk, void> {
    const { listed, turn } = task
    const { signal } = this.#options
    let last = task.from
    try {
      const reading = { partition: this.#partition, content: this.#settings.content, options: this.#options }
      for await (const { chunk, position, isLast } of readObject(this.#store, task, read, reading)) {
        last = position ?? last
        if (isLast) this.#finish(task)
        else if (turn === 'again' && position !== undefined) this.#progress.advance(position)
        const object = isLast || turn === 'again' ? undefined : position
        yield { ...chunk, ...((isLast || position !== undefined) && { position: this.#progress.position(object) }) }
      }
      return
    } catch (error) {
      if (!(error instanceof SluiceError) || signal.aborted || !OBJECT_FAILURES.has(error.code)) throw error
      this.#fail(task, last, error)
    }
    if (turn === 'listed') this.#passed(listed)
    yield this.#positionChunk()
  }

  #finish({ listed, turn }: Task): void {
    if (turn === 'listed') this.#passed(listed)
    else this.#progress.completed(listed, this.#now())
  }

  #passed(listed: ListedObject): void {
    if (!this.#progress.passed(listed).forgotten) return
    const from = new Date(this.#progress.lateFrom).toISOString()
    const note: Note = this.#options.note
    note('s3.late-keys', { from })
  }

  #fail({ listed }: Task, last: ObjectPosition | undefined, error: SluiceError): void {
    const { key, etag, bytes } = listed
    // A single object that fails is the failure of the source: there is nothing to continue with.
    if (this.#pattern.isExact && this.#pattern.prefix === key) throw error
    const line = last?.content?.line
    const failure: InputFailure = { input: nameOf(this.#store, key), error, ...(line !== undefined && { line }) }
    this.#options.inputFailed(failure)
    this.#progress.failedAt(last ?? { key, ...(etag !== undefined && { etag }), bytes })
    if (this.#progress.failures <= MAX_FAILED) return
    const message = `more than ${MAX_FAILED} objects of ${this.#pattern.text} cannot be read; the last one: ${error.message}`
    const hint = error.hint ?? 'limit `path`, `since` and `until` to objects that can be read'
    throw new SluiceError(error.code, message, { hint, cause: error })
  }

  #now(): number {
    return (this.#options.clock ?? systemClock).now()
  }

  #positionChunk(): Chunk {
    return { partition: this.#partition, position: this.#progress.position(), sourceBytes: 0 }
  }
}

/** A position names each object that failed. */
const MAX_FAILED = 1000

/** Codes of errors that are those of one object: other objects may be readable. */
export const OBJECT_FAILURES: ReadonlySet<SluiceError['code']> = new Set([
  'INPUT_CORRUPT',
  'FILE_NOT_FOUND',
  'UNSUPPORTED',
])

/** Names keys below the prefix, or below the folders above it. */
export async function nothingFound(
  store: Store,
  { text, prefix }: KeyPattern,
  { since, until }: Pick<PathSettings, 'since' | 'until'>,
  signal: AbortSignal,
): Promise<SluiceError> {
  const message = `no object matches "${text}"`
  for (let near = prefix; ; near = near.replace(/[^/]*\/?$/, '')) {
    const keys: string[] = []
    for await (const { key } of listObjects(store, { prefix: near, limit: 3, signal })) keys.push(key)
    if (keys.length > 0) {
      const dates = since === undefined && until === undefined ? '' : '; check `since` and `until`'
      const where = near === '' ? 'in the bucket are' : `below ${near} are`
      return new SluiceError('FILE_NOT_FOUND', message, { hint: `${where} ${keys.join(', ')}${dates}` })
    }
    if (near === '') return new SluiceError('FILE_NOT_FOUND', message, { hint: 'the bucket is empty' })
  }
}
