import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Attempt, ObjectSink, OutboxFile, SinkDeclaration } from '../component.ts'
import { SluiceError } from '../errors.ts'
import type { Json } from '../record/json/json.ts'
import { contextOf, configure } from './configure.ts'
import { isAbort, nameOf, withoutHanging } from './contract-case.ts'
import type { NotApplicable } from './contract-case.ts'

/** An empty store, fresh for each case. */
export interface ObjectStore {
  /** The sink's configuration as in a pipeline file, without `type`. */
  readonly config: object
  /** Every object that a reader of the store can see: its bytes by its key. */
  readonly objects: () => Promise<ReadonlyMap<string, Uint8Array>>
  /** How many objects are staged and not published; for a sink with `stage`. */
  readonly staged?: () => Promise<number>
  readonly close?: () => Promise<void> | void
}

/**
 * What the suite does to a store. Where something is not possible, give the reason as text in place
 * of the function.
 */
export interface ObjectSinkFixture<Store extends ObjectStore> {
  readonly open: () => Promise<Store>
  /**
   * Makes the store unavailable for a while. The function that it returns makes it available again.
   */
  readonly outage: NotApplicable | ((store: Store) => Promise<() => Promise<void>>)
  /** Makes the store refuse writes for good: the credentials, the folder, the bucket. */
  readonly refuse: NotApplicable | ((store: Store) => Promise<void>)
  /**
   * Removes everything that is staged, as a rule of the store would; for a sink with `stage`.
   */
  readonly loseStaged?: NotApplicable | ((store: Store) => Promise<void>)
  /** Texts of the configuration that must not be stored with an object: credentials. */
  readonly secrets?: readonly string[]
}

/** Large enough for several parts of a multipart upload. */
export const LARGE = 12 << 20
export const SMALL = 50_000

/** A sink under test, with its store and an outbox. */
export class Bench<Store extends ObjectStore> {
  readonly store: Store
  readonly #declaration: SinkDeclaration
  readonly #outbox: string
  readonly #sinks: ObjectSink[] = []

  constructor(declaration: SinkDeclaration, store: Store, outbox: string) {
    this.#declaration = declaration
    this.store = store
    this.#outbox = outbox
  }

  async create(): Promise<ObjectSink> {
    const declaration = this.#declaration
    assert.equal(declaration.delivers, 'objects', 'an object sink is declared with delivers: objects')
    const sink = await declaration.create(await configure(declaration, this.store.config), contextOf(declaration))
    assert.ok(!('write' in sink), 'an object sink has publish, not write')
    const staging = ['stage', 'publishStaged', 'discardStaged'].filter((name) => name in sink)
    assert.ok(staging.length === 0 || staging.length === 3, 'stage, publishStaged and discardStaged come together')
    this.#sinks.push(sink)
    return sink
  }

  /** A finished file with random content, and the key that the runtime would give it. */
  async file(name: string, bytes = SMALL): Promise<Finished> {
    const content = randomBytes(bytes)
    const sha256 = createHash('sha256').update(content).digest('hex')
    const path = join(this.#outbox, `${name}.ndjson`)
    await writeFile(path, content)
    const file: OutboxFile = { path, bytes, records: 1, sha256, compression: 'none' }
    return { file, content, key: `contract/${name}-${sha256.slice(0, 16)}.ndjson` }
  }

  /** Fails unless the store shows exactly these objects. */
  async expectObjects(wanted: readonly Finished[], when: string): Promise<void> {
    const objects = await this.store.objects()
    assert.deepEqual([...objects.keys()].toSorted(), wanted.map(({ key }) => key).toSorted(), `objects ${when}`)
    for (const { key, content } of wanted) {
      assert.ok(content.equals(objects.get(key) ?? Buffer.alloc(0)), `the bytes of ${key} are not the file's ${when}`)
    }
  }

  async close(): Promise<void> {
    for (const sink of this.#sinks) await sink.close?.()
  }
}

export interface Finished {
  readonly file: OutboxFile
  readonly content: Buffer
  readonly key: string
}

/** The notes of the attempts for one object, as the publisher and the state would keep them. */
export class Attempts implements Attempt {
  isRepeated: boolean
  readonly storeIsKnown = true
  resumeToken: Json | undefined

  constructor({ isRepeated }: { readonly isRepeated: boolean } = { isRepeated: false }) {
    this.isRepeated = isRepeated
  }

  saveResumeToken(token: Json): Promise<void> {
    const stored: Json = JSON.parse(JSON.stringify(token))
    this.resumeToken = stored
    return Promise.resolve()
  }
}

export const NEVER: AbortSignal = new AbortController().signal

export async function publish(
  sink: ObjectSink,
  { file, key }: Finished,
  attempt = new Attempts(),
  signal: AbortSignal = NEVER,
): Promise<void> {
  try {
    await withoutHanging('publishing', sink.publish(file, sink.destination(key), signal, attempt))
  } finally {
    attempt.isRepeated = true
  }
}

export function assertAborted(error: unknown, signal: AbortSignal): void {
  if (isAbort(error, signal) || error instanceof SluiceError) return
  assert.fail(`publishing that was aborted threw ${nameOf(error)}: neither the reason nor a SluiceError`)
}
