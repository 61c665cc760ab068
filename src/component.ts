import type { Duplex } from 'node:stream'
import type { Static, TObject, TProperties } from 'typebox'
import type { SluiceError } from './errors.ts'
import type { Batch } from './record/batch.ts'
import type { Json, JsonObject } from './record/json/json.ts'
import type { Path, Paths } from './record/paths/path.ts'
import type { Outcome, Record } from './record/author/record.ts'
import type { Chunk } from './record/chunk.ts'

/**
 * THE contract. A component is one declaration; types, validation, defaults, lint, editor schema, documentation and command
 * line help all come from it. Built-ins are listed in `src/registry.ts`, custom ones are the default export of a file.
 */
interface Declaration<Properties extends TProperties> {
  /** The key users write as `type:`, and the file's name. */
  readonly type: string
  /** One sentence, for `sluice list` and the documentation. */
  readonly summary: string
  /** TypeBox values, each with a `description`; see `src/fields/fields.ts` for durations, sizes, secrets, paths and files. */
  readonly fields: Properties
  /** Ready to paste, without `type`. All of them are linted by the tests. */
  readonly examples: readonly Example[]
}

export interface Example {
  readonly title: string
  readonly config: { readonly [key: string]: unknown }
}

/** The checked configuration: defaults filled in, durations in milliseconds, sizes in bytes, secrets resolved. */
export type Config<Properties extends TProperties> = Static<TObject<Properties>>

/** One thing that a component's own check says of a place in its configuration: a problem, or a note that only `sluice check` shows. */
export interface Finding {
  /** Keys and indexes from the component's root, for example `['rules', 0, 'path']`. */
  readonly at: readonly (string | number)[]
  readonly message: string
  readonly hint?: string
  readonly severity?: 'error' | 'warning' | 'note'
}

/** What all components get. */
export interface Context {
  /** Name of the pipeline, and of this stage in messages, reports and metrics. */
  readonly pipeline: string
  readonly stage: string
  /** Folder of the pipeline file: relative files in it are relative to this. */
  readonly folder: string
}

export interface TransformContext extends Context {
  /** The paths of the pipeline. Ask for all you need in `create`: then they are found while the bytes are scanned. */
  readonly paths: Paths
  path(text: string): Path
  /** 16 secret bytes of the state, the same in every run: the key of the de-duplication digests. Absent where there is no state. */
  readonly hashKey?: Buffer
  /** The records have been through the pipeline's redactions: `sluice rejects replay`. */
  readonly isReplay?: true
}

export interface SourceDeclaration<Properties extends TProperties = TProperties> extends Declaration<Properties> {
  readonly kind: 'source'
  /** True when a run may yield records that an earlier run (or an earlier poll) has yielded: then `dedup` is required. */
  readonly repeats: boolean
  check?(config: Config<Properties>, context: Context): Iterable<Finding> | Promise<Iterable<Finding>>
  create(config: Config<Properties>, context: Context): Source | Promise<Source>
  /**
   * The position from which everything since a time (milliseconds since 1970) is read again, and by how many milliseconds that is earlier;
   * for `sluice state rewind`. Undefined where a position does not tell a time.
   */
  rewind?(position: Json, to: number): { readonly position: Json; readonly by: number } | undefined
}

export interface Source {
  /**
   * Yields chunks until there is no more, or the signal aborts: then it ends (returns or throws the signal's reason) without delay.
   * Start the next read before you yield. A throw ends the run as failed; everything yielded before it is kept.
   */
  read(options: ReadOptions): AsyncIterable<Chunk>
  /** Tries what a run will need, for `sluice check --connect`. Changes nothing. Failures are told, not thrown. */
  connect?(signal: AbortSignal): AsyncIterable<ConnectionCheck>
  /** What there is to read, when it is known before reading; for the progress line. */
  total?(): Promise<{ bytes: number } | undefined>
}

export interface ReadOptions {
  /** The committed position of a partition, as last yielded behind a committed record; undefined when there is none. */
  position(partition?: string): Json | undefined
  readonly signal: AbortSignal
  /** Keep polling when all is read. */
  readonly follow: boolean
  /** Longest line in bytes (`limits.maxLine`): whoever cuts lines skips longer ones and reports them in `skipped`. */
  readonly maxLine: number
  /** A thing worth a line in the log: a retry, a gap, a file skipped. Never a record's content, never a secret. */
  note(message: string, facts?: { readonly [name: string]: string | number | boolean }): void
}

export interface TransformDeclaration<Properties extends TProperties = TProperties> extends Declaration<Properties> {
  readonly kind: 'transform'
  check?(config: Config<Properties>, context: Context): Iterable<Finding> | Promise<Iterable<Finding>>
  create(config: Config<Properties>, context: TransformContext): Transform | Promise<Transform>
}

/** What an author of custom code writes: the first three. Built-ins work on whole batches. */
export type Transform = TransformFunction | FunctionTransform | DuplexTransform | BatchTransform

/**
 * Called for each record. A promise is awaited (up to 16 at once, order kept). A throw, or a result that is not an outcome
 * (`undefined`, a string), rejects the record with TRANSFORM_FAILED.
 */
export type TransformFunction = (record: Record) => Outcome | Promise<Outcome>

export interface FunctionTransform {
  transform: TransformFunction
  /** Called at the end of every batch: what the function held back during the batch must come out here, since the batch's position commits with it. */
  flush?(): Outcome | Promise<Outcome>
  close?(): void | Promise<void>
}

/**
 * For code that exists as an object-mode Node stream: a new one is made, fed, ended and drained for each batch. It gets frozen objects. One that
 * comes out as it went in keeps its bytes; what else comes out cannot be tied to an input, so `dedup` belongs behind such a stage.
 */
export interface DuplexTransform {
  duplex(): Duplex
}

/** Changes a batch in place: edits, drops, rejects, digests. */
export interface BatchTransform {
  /** Where lines must be made anew, the batches that come in its place (see `rebuild`); otherwise nothing. */
  batch(batch: Batch): Batch[] | void | Promise<Batch[] | void>
  close?(): void | Promise<void>
}

export interface SinkDeclaration<Properties extends TProperties = TProperties> extends Declaration<Properties> {
  readonly kind: 'sink'
  /** An object sink publishes finished files and gets `key`, `compression`, `roll` and the outbox; a stream sink takes bytes as they come and keeps no state. */
  readonly delivers: 'objects' | 'stream'
  check?(config: Config<Properties>, context: Context): Iterable<Finding> | Promise<Iterable<Finding>>
  create(config: Config<Properties>, context: Context): ObjectSink | StreamSink | Promise<ObjectSink | StreamSink>
}

export interface ObjectSink {
  /**
   * All that the upload of an object needs except credentials, as JSON: written into the object's row at commit, so that a later
   * edit of the configuration cannot send it elsewhere.
   */
  destination(key: string): JsonObject
  /** Longest key in bytes of UTF-8. */
  readonly maxKeyBytes: number
  /**
   * Makes the object visible, once. The key contains the content's hash: an object that is already there is this one. Called again after
   * any failure that is retryable (SINK_UNAVAILABLE); a SINK_REFUSED stops the run and keeps the row.
   */
  publish(file: OutboxFile, destination: JsonObject, signal: AbortSignal, attempt: Attempt): Promise<void>
  /** Whether the object can be proved visible; asked when its file is gone. Without it, or in doubt, it counts as lost. */
  exists?(destination: JsonObject, signal: AbortSignal): Promise<boolean>
  /**
   * Reads an object back, for `sluice verify`: its bytes as they are stored, or undefined when it is not there.
   * @throws SluiceError SINK_REFUSED when we may not know
   */
  open?(destination: JsonObject, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined>
  /** All keys where this sink writes that begin with a text, for `sluice verify`. @throws SluiceError SINK_REFUSED when we may not know */
  list?(prefix: string, signal: AbortSignal): AsyncIterable<string>
  /** For stores that may not do what `publish` asks of them: to refuse an object that is there. */
  readonly conditionalPutProbe?: ConditionalPutProbe
  /** Tries what a run will need to write below a prefix, for `sluice check --connect`. Leaves nothing behind. Failures are told, not thrown. */
  connect?(prefix: string, signal: AbortSignal): AsyncIterable<ConnectionCheck>
  close?(): void | Promise<void>
}

/** Something that was tried. */
export interface ConnectionCheck {
  /** For example `s3:PutObject below events/`. */
  readonly what: string
  /** What was found, in a few words. */
  readonly found?: string
  /** Why it would not work. */
  readonly error?: SluiceError
}

/** Asked once for each store, with the first object that was published there; the state keeps the answer. */
export interface ConditionalPutProbe {
  /** The store of an object and the way in which it is put: what holds for one object holds for all of that name. */
  store(file: OutboxFile, destination: JsonObject): string
  /** Puts the object, which is there, once more. True when the store refuses. */
  isRefused(file: OutboxFile, destination: JsonObject, signal: AbortSignal, attempt: Attempt): Promise<boolean>
}

/** What one attempt to publish an object leaves to the next, over crashes too: for example the id of an unfinished upload. */
export interface Attempt {
  readonly resumeToken: Json | undefined
  saveResumeToken(left: Json): Promise<void>
}

export interface OutboxFile {
  readonly path: string
  readonly bytes: number
  readonly records: number
  readonly sha256: string
  readonly compression: 'none' | 'gzip' | 'zstd'
}

export interface StreamSink {
  /** Resolves when the next write is wanted. */
  write(bytes: Buffer, signal: AbortSignal): Promise<void>
  flush(): Promise<void>
}

/** What an author writes: the `type` of a custom component comes from the pipeline file that names it. */
type Authored<Declared extends Declaration<TProperties>> = Omit<Declared, 'kind' | 'type' | 'examples'> &
  Partial<Pick<Declared, 'type' | 'examples'>>

export function defineSource<Properties extends TProperties>(
  declaration: Authored<SourceDeclaration<Properties>>,
): SourceDeclaration<Properties> {
  return { kind: 'source', type: '', examples: [], ...declaration }
}

export function defineTransform<Properties extends TProperties>(
  declaration: Authored<TransformDeclaration<Properties>>,
): TransformDeclaration<Properties> {
  return { kind: 'transform', type: '', examples: [], ...declaration }
}

export function defineSink<Properties extends TProperties>(
  declaration: Authored<SinkDeclaration<Properties>>,
): SinkDeclaration<Properties> {
  return { kind: 'sink', type: '', examples: [], ...declaration }
}
