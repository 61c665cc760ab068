import type { Duplex } from 'node:stream'
import type { Static, TObject, TProperties } from 'typebox'
import type { SluiceError } from './errors.ts'
import type { ExchangeLayer } from './network/exchange.ts'
import type { Events, OfRun } from './observe/bus/events.ts'
import type { Record, Outcome } from './record/author/record.ts'
import type { Batch } from './record/batch.ts'
import type { Chunk } from './record/chunk.ts'
import type { Json, JsonObject } from './record/json/json.ts'
import type { Path, Paths } from './record/paths/path.ts'
import type { StoreObserver } from './s3/store-observer.ts'
import type { Clock } from './clock.ts'

export type { Chunk, Reread, SkippedLine } from './record/chunk.ts'

/**
 * The component contract: everything that a source, a transform or a sink must keep to, and
 * everything that it may rely on. `sluice/testing` has a suite for each kind that tries these
 * rules.
 *
 * A component is one declaration. Its TypeScript types, validation, defaults, lint, editor schema,
 * documentation and command-line help all come from it. Built-ins are listed in `src/registry.ts`;
 * a custom component is the default export of a file, or a named export of a package.
 *
 * Rules for all kinds:
 *
 * - **Life cycle.** `create` is called once per run with a checked configuration, and again for
 *   `check`, `test` and `preview`: it opens nothing. A transform or a sink opens what it needs in its
 *   first call, and closes it in `close`, which is called once, also after a failure, and never
 *   during another call. A source closes what it opened when its iteration ends (`finally`).
 *   Instances share no mutable state.
 * - **Re-entrancy.** The runtime calls one method of an instance at a time and awaits it, except
 *   where a method's comment says otherwise (`transform` of a function, `publish` of an object
 *   sink).
 * - **Order.** Records keep their order within a source partition from the source to the sink.
 * - **Buffers.** Memory has one owner. A component that hands over a buffer never changes it again.
 *   A component that receives a buffer may read it until its call returns or its promise settles;
 *   whether it may keep it longer is said by `reusesBuffers`.
 * - **Abort.** Every method that takes a `signal` stops waiting when it aborts: it ends within a
 *   second, releases what it opened, and returns, or throws `signal.reason` or the `AbortError` of
 *   Node's own functions. Pass the signal to every request, timer and stream. An aborted signal is never an excuse to report success for
 *   work that was not done.
 * - **Errors.** Throw a `SluiceError` whose code says what happened; its message names the
 *   offending name or value and the way out, never a record's content and never a secret. Any other
 *   throw ends the run with the code of the component's kind (SOURCE_FAILED, TRANSFORM_FAILED,
 *   SINK_FAILED).
 * - **Observation.** Components have no logger and no counters: the runtime observes them from
 *   outside.
 */
interface BaseDeclaration<Properties extends TProperties> {
  /**
   * The word that users write as `type:`. Also the name of the file. Set by the loader for custom
   * components.
   */
  readonly type: string
  /** One sentence, for `sluice list` and the documentation. */
  readonly summary: string
  /**
   * TypeBox values, each with a `description`. `src/fields/fields.ts` has durations, sizes,
   * secrets, record paths and files.
   */
  readonly fields: Properties
  /** Ready to paste, without `type`. The tests check all of them. */
  readonly examples: readonly Example[]
  /** Lists that the component works by, for the documentation and `sluice describe`. */
  readonly lists?: readonly ReferenceList[]
}

export interface ReferenceList {
  readonly title: string
  readonly about: string
  readonly items: readonly { readonly term: string; readonly about: string }[]
}

export interface Example {
  readonly title: string
  readonly config: { readonly [key: string]: unknown }
}

/**
 * The checked configuration: defaults filled in, durations in milliseconds, sizes in bytes, secrets
 * resolved. Do not change it.
 */
export type Config<Properties extends TProperties> = Static<TObject<Properties>>

/**
 * One finding of a component's own `check` about a place in its configuration. Notes are shown by
 * `sluice check` only.
 */
export interface Finding {
  /** Keys and indexes from the component's root, for example `['rules', 0, 'path']`. */
  readonly at: readonly (string | number)[]
  readonly message: string
  readonly hint?: string
  /** Default: `error`. */
  readonly severity?: 'error' | 'warning' | 'note'
}

/** Passed to `check` and `create` of every component. */
export interface Context {
  /** Name of the pipeline. */
  readonly pipeline: string
  /** Name of this stage in messages, reports and metrics: the type, or the type and a number. */
  readonly stage: string
  /**
   * Absolute path of the pipeline file's folder: relative files in the configuration are relative
   * to it.
   */
  readonly folder: string
  /**
   * For a component that sends requests to a store: takes each one, which becomes a message of the channel
   * `sluice:store:request`. Undefined where nobody can listen.
   */
  readonly observeRequest?: StoreObserver | undefined
}

// Sources

/** Passed to `create` of a source. */
export interface SourceContext<Properties extends TProperties = TProperties> extends Context {
  /**
   * Reads the files of `${file:PATH}` in the source's configuration again, so that a key can be
   * replaced while the source reads. Undefined if there are no such files.
   */
  readonly renewal?: Renewal<Config<Properties>> | undefined
}

/** Notices that the keys of a source have been replaced. */
export interface Renewal<Configured = { readonly [key: string]: unknown }> {
  /** Absolute paths of the files. */
  readonly files: readonly string[]
  /**
   * The configuration with the present content of the files. The same object as before if nothing in
   * it has changed, or if the new content is not valid; `problem` then says why. Cheap: it looks at
   * the files at most every 5 seconds, so call it before each request. After a refusal
   * (`refused: true`) it looks at once. What it returns is hidden in all output.
   */
  latest(options?: { readonly refused?: boolean }): Promise<{
    readonly config: Configured
    readonly problem: string | undefined
  }>
}

export interface SourceDeclaration<Properties extends TProperties = TProperties> extends BaseDeclaration<Properties> {
  readonly kind: 'source'
  /**
   * True when a run may yield records that an earlier run or an earlier poll has yielded. Then the
   * pipeline needs a `dedup` transform.
   */
  readonly repeats: boolean
  /**
   * The names of all source partitions that this configuration reads (`Chunk.partition`), if each can
   * be read without the others: tenants of an API, accounts, topics. With it, several processes can
   * divide the source (`sluice run --shard 2/5`): each reads the tenants whose hash falls to it, see
   * `ReadOptions.tenants`. Pure, the same in every process, without duplicates; a name decides for
   * ever where a tenant is read, so it must not change. A source without it has one reader.
   */
  tenants?(config: Config<Properties>): readonly string[]
  check?(config: Config<Properties>, context: Context): Iterable<Finding> | Promise<Iterable<Finding>>
  create(config: Config<Properties>, context: SourceContext<Properties>): Source | Promise<Source>
  /**
   * Moves a committed position back, for `sluice state rewind --to`. `to` is in milliseconds since
   * 1970. Returns the position from which every record since `to` is read again, and by how many
   * milliseconds that is earlier; undefined when a position has no time.
   */
  rewind?(position: Json, to: number): { readonly position: Json; readonly by: number } | undefined
  /** Describes a committed position to people, for `sluice state show` and the progress line. */
  describePosition?(position: Json): PositionSummary
}

export interface PositionSummary {
  /** The event time up to which everything is read, in milliseconds since 1970. */
  readonly readUpTo?: number | undefined
  /** The rest in a few words, for example `page 3 of the window from 2026-09-12 to 2026-09-13`. */
  readonly detail?: string | undefined
}

export interface Source {
  /**
   * Yields chunks until there is no more input, or until the signal aborts. Called once per
   * instance.
   *
   * - **Backpressure.** The next chunk is asked for when the pipeline has room. Read ahead by one
   *   chunk at most (start the next read before you yield), so that memory does not grow with the
   *   input or with a slow sink.
   * - **Positions.** A chunk's position commits in the same transaction as its records. A later run
   *   gets the last committed position of each partition from `options.position` and must yield
   *   every record after it. See `Chunk.position`.
   * - **Abort.** When the signal aborts, the iteration ends within a second: it returns, or throws
   *   `signal.reason`.
   * - **Failure.** A throw ends the run as failed. Every chunk that was yielded before it is
   *   committed first.
   */
  read(options: ReadOptions): AsyncIterable<Chunk>
  /**
   * Tries everything that a run needs (credentials, hosts, rights), for `sluice check --connect`.
   * Changes nothing. Failures are yielded as `error`, not thrown.
   */
  connect?(signal: AbortSignal): AsyncIterable<ConnectionCheck>
  /**
   * How much input there is, if that is known before reading; for the progress line only. `bytes`,
   * or the event time at which reading begins (`since`, milliseconds since 1970).
   */
  total?(): Promise<InputExtent | undefined>
  /**
   * Divides what is left to read into parts that can be read on their own, in any order, by other
   * threads and machines. With `readParts` it makes the source one that `--workers` and `--queue` can
   * use; both or neither are implemented. Called in place of `read`, once per instance.
   *
   * - Yields the parts in reading order: `readParts` over all of them yields the same records in the
   *   same order as `read` with the same positions would.
   * - Parts of one source partition come one after the other. Nothing before the committed position
   *   is planned, and nothing at all if it is complete.
   * - Cheap: it lists inputs and looks at a little of each, and never reads them as a whole. Memory
   *   does not grow with the bytes of the input. 100,000 inputs take seconds.
   * - Changes nothing. The plan may be printed only, or carried out days later.
   * - An input that cannot be looked at is reported with `inputFailed`, as `read` does.
   * @throws SluiceError UNSUPPORTED, with the way out, when the configured input cannot be divided
   *   (standard input). A run that did not ask for several workers then uses one.
   */
  parts?(options: PartsOptions): AsyncIterable<SourcePart>
  /**
   * Yields for each part, in the order of `parts`, an iterable of its chunks. Each is read to its end
   * before the next one is asked for. Called for any parts of a plan, any number of times, one call at
   * a time; on an instance that has not planned, perhaps in another process on another machine, which
   * resolves the same configuration by itself. A source that only reads one after the other returns
   * `parts.map((part) => …)` with an async generator.
   *
   * - **Reading ahead.** All parts of a call are going to be read, so the requests of the next ones
   *   may begin before their turn, where each costs a latency. What is read ahead has a limit of
   *   requests and of bytes. It ends when the iteration does. If it fails, that is thrown by the
   *   chunks of its own part, when their turn comes.
   * - **The same again.** A part may be read several times, and must then yield the same chunks. So
   *   it ends where the plan says, even if the input has grown since. If the input has been
   *   replaced, truncated or changed, it throws INPUT_CORRUPT; retries do not help then.
   * - **Positions.** The last chunk of a part has a position: where reading resumes after the part.
   *   Where only the whole input can tell (the number of lines before a byte range), it may be a
   *   position that `positionAfter` completes. Without a `positionAfter`, the last position of the
   *   last part is committed.
   * - **Partition.** Chunks belong to the `partition` of their part. Chunks without records may carry
   *   the positions of others, which are committed with the part.
   * - **Lines.** `origin.line` is right or counts from a place that `origin.name` says.
   * - `options` are those of `read`; `position` returns undefined, and `follow` is false.
   */
  readParts?(
    parts: readonly SourcePart[],
    options: ReadOptions,
  ): Iterable<AsyncIterable<Chunk>> | AsyncIterable<AsyncIterable<Chunk>>
  /**
   * The position of a source partition after its parts: the one that `read` would have committed
   * last, so that a later run reads nothing twice and nothing is left out. Pure, and called once all
   * parts of the partition in the plan are committed. Undefined: the committed position stays.
   * @param parts All parts of the partition in the plan, in reading order. They are read from the state
   *   while they are iterated, once: a plan may have millions, so keep none of them.
   */
  positionAfter?(parts: Iterable<ReadPart>): Json | undefined
}

/** A part that was read. */
export interface ReadPart {
  readonly part: SourcePart
  /** The position of its last chunk that had one. */
  readonly end: Json | undefined
}

/**
 * Input that can be read on its own: a whole compressed file, a byte range of a plain one cut at
 * line borders, an object of a store. JSON without secrets: it is stored in the plan, and sent to
 * workers.
 */
export interface SourcePart {
  /** The source partition that it belongs to, see `Chunk.partition`. */
  readonly partition: string
  /** Name of the input, as in `Chunk.origin`. Parts of one input share it. */
  readonly input: string
  /** Bytes to read, compressed as they are stored. */
  readonly bytes: number
  /** Of the content, for the plan that people read: `ndjson`, `array`. Undefined if not known yet. */
  readonly format?: string
  /** `gzip`, `zstd`, `brotli`; undefined for none. For the plan and its estimates. */
  readonly compression?: string
  /**
   * What `readParts` needs: where the part begins and ends, and what identifies the input (an ETag, a
   * digest), so that a changed one is noticed.
   */
  readonly detail: Json
}

/** See the options of the same names in `ReadOptions`. */
export interface PartsOptions extends Pick<
  ReadOptions,
  'position' | 'signal' | 'note' | 'inputFailed' | 'maxLine' | 'time'
> {
  readonly final: boolean
  /**
   * Wanted size of a part in bytes, as stored. An input that can be divided is cut into parts of
   * about this size; smaller inputs are not merged, and inputs that cannot be divided stay whole.
   */
  readonly partBytes: number
}

export interface InputExtent {
  readonly bytes?: number | undefined
  readonly since?: number | undefined
}

export interface ReadOptions {
  /**
   * The committed position of a source partition, exactly as it was yielded (after a round trip
   * through JSON); undefined when there is none. It may come from another version of the component
   * or from another input: check its shape, and compare what it identifies.
   */
  readonly position: (partition?: string) => Json | undefined
  /**
   * For a source that declares `tenants`: read these only, and send no request for others. Undefined:
   * all. A chunk of another partition ends the run with SOURCE_FAILED, since another process may read
   * it at the same time.
   */
  readonly tenants?: ReadonlySet<string> | undefined
  /** Aborts when the run must end. */
  readonly signal: AbortSignal
  /** True: keep polling for more input when everything is read. */
  readonly follow: boolean
  /**
   * True: nothing is appended to the input any more (`--final`). Default: false. A source of files then yields an
   * unfinished record at the end of one. Otherwise it leaves the record to the next run, which
   * finds the rest, and yields a last chunk that is `unfinished`.
   */
  readonly final?: boolean
  /**
   * Longest line in bytes (`limits.maxLine`). A source that cuts lines itself skips longer ones and
   * lists them in `Chunk.skipped`.
   */
  readonly maxLine: number
  /** Record path of the event time, if the pipeline's `dedup` declares one. */
  readonly time?: string | undefined
  /**
   * Writes one line to the log: a gap, a skipped file. Never a record's content, never a secret. Facts
   * that are undefined are left out. Its level is `info`, and its code `component.note`. (Built-ins name
   * a message of docs/log.md in place of a text.)
   */
  readonly note: (message: string, facts?: { readonly [name: string]: string | number | boolean | undefined }) => void
  /**
   * For a source of several inputs (the files of a folder): call it when one of them cannot be read,
   * or not to its end, after everything before the damage was yielded. Throws the error unless the
   * run keeps going (`--keep-going`). When it returns, the failure will be in the report: continue
   * with the next input.
   */
  readonly inputFailed: (failure: InputFailure) => void
  /**
   * The time to plan and wait by. Default: the system's. `sluice test` runs a pipeline by a clock of
   * its own, which moves on when the source sleeps.
   */
  readonly clock?: Clock | undefined
  /**
   * Says what a log line cannot say to programs: a window, a retry, a wait. It becomes a message of the
   * channel `sluice:source:window`, `sluice:source:retry` or `sluice:source:wait`. Call it for each
   * request at most, never for each record.
   */
  readonly announce?: ((event: SourceEvent) => void) | undefined
  /**
   * Stands between a source of an API and the network: `sluice test` answers its requests with pages, and
   * `sluice record` keeps them. Send every request by `exchange(send)`, where `send` is your own function.
   * In a run, each request becomes an event. Undefined where nothing stands between.
   */
  readonly exchange?: ExchangeLayer | undefined
}

/** What a source announces. `partition` is that of its chunks. */
export type SourceEvent =
  | ({ readonly type: 'window' } & Omit<Events['sluice:source:window'], keyof OfRun>)
  | ({ readonly type: 'page' } & Omit<Events['sluice:source:page'], keyof OfRun>)
  | ({ readonly type: 'retry' } & Omit<Events['sluice:source:retry'], keyof OfRun>)
  | ({ readonly type: 'wait' } & Omit<Events['sluice:source:wait'], keyof OfRun>)

/** An input that cannot be read, or not to its end. */
export interface InputFailure {
  /** Name of the input, as in `Chunk.origin`. */
  readonly input: string
  /** Number of lines (or elements) before the damage; undefined if unknown. */
  readonly line?: number | undefined
  readonly error: SluiceError
}

/** The result of one connection check. */
export interface ConnectionCheck {
  /** For example `s3:PutObject below events/`. */
  readonly what: string
  /** The result in a few words, for example `allowed`. */
  readonly found?: string
  /** Set when the check failed: why, and the way out. */
  readonly error?: SluiceError
  /** True if a run works without it, for example without the right to remove unfinished uploads. */
  readonly isOptional?: boolean
}

// Transforms

export interface TransformDeclaration<
  Properties extends TProperties = TProperties,
> extends BaseDeclaration<Properties> {
  readonly kind: 'transform'
  /**
   * True when the transform keeps no reference to a batch, a record or their bytes after its call
   * is over. The runtime then overwrites that memory with later batches, which saves about 5 % of
   * the time. Default: false, always safe. If a transform that keeps records sets it, later records
   * overwrite the ones it kept and the output is wrong without an error.
   */
  readonly reusesBuffers?: boolean
  /**
   * For custom code. True when several instances may run at once, each in a thread or a process of
   * its own: what happens to a record depends on that record alone, not on module variables, not on
   * the records before it, and not on anything outside that is changed without a lock. Needed for
   * `parallel` above 1 in the pipeline file, for `--workers` above 1 and for `--queue`. Default: false; a run then uses one worker. If a transform
   * that counts or remembers records sets it, each instance sees a part of them only. Built-in
   * transforms need no declaration.
   */
  readonly parallel?: boolean
  /**
   * Set when the transform gives records their dedup keys (`Batch.digests`). The sink writes the
   * first record of each key and counts the others as duplicates. A pipeline has at most one such
   * transform.
   */
  dedup?(config: Config<Properties>): DedupSettings
  /**
   * How the transform changes the values at these record paths, which are the paths of the dedup
   * key. Asked of every transform before `dedup`: if the answer differs from that of an earlier run,
   * the dedup keys of that run would match nothing, and the run stops with STATE_MISMATCH. Undefined
   * if the transform cannot change these values; dropping or rejecting a record is no change. Custom
   * code without this method may change anything: the log says when its code has changed.
   */
  effectOn?(
    config: Config<Properties>,
    paths: readonly string[],
    context: Context,
  ): ValueEffect | undefined | Promise<ValueEffect | undefined>
  /**
   * For a transform that runs code that is not ours and may change anything, such as a program. What
   * decides that: before `dedup` the log says when it has changed, and the workers of a backfill must have
   * the same. Custom code itself needs no declaration.
   */
  code?(config: Config<Properties>, context: Context): CodeDescription
  /**
   * Which members the transform takes from every record and gives to them. `check` compares it with
   * the paths that later stages read.
   */
  shape?(config: Config<Properties>): RecordShape
  check?(config: Config<Properties>, context: Context): Iterable<Finding> | Promise<Iterable<Finding>>
  create(config: Config<Properties>, context: TransformContext): Transform | Promise<Transform>
}

/** Identifies code that a transform runs. */
export interface CodeDescription {
  /** Of the files, in hex. */
  readonly sha256: string
  /** The configuration that decides how it changes records, as JSON. */
  readonly options: unknown
}

/** How a transform changes the members of records, as record paths. `writes` come last. */
export interface RecordShape {
  /** No record has values at these paths afterwards. */
  readonly removes?: readonly string[]
  /** No record has other values afterwards than those at these paths and inside them. */
  readonly keeps?: readonly string[]
  /**
   * Paths of keys that the transform gives a value, and the paths of which it makes each value; `*` if
   * it may give any member a value. All that `putMembers` puts must be here: stages that ask for
   * something else do not see it.
   */
  readonly writes?: readonly WrittenMember[]
  /**
   * Of a transform that makes several records of one: paths of keys whose values they have in
   * common. A dedup key of these values alone would make them duplicates of each other.
   */
  readonly shares?: readonly string[]
}

export interface WrittenMember {
  readonly path: string
  readonly from: readonly string[]
  /**
   * True if the same record may get another value later: it comes from a table that changes. `check`
   * refuses it in a dedup key.
   */
  readonly varies?: boolean
}

/** What decides how a transform changes values. */
export interface ValueEffect {
  /** All configuration that decides it, as JSON without secrets. The state keeps it. */
  readonly settings: unknown
  /** The secrets that decide it. The state keeps a salted scrypt digest of them. */
  readonly secrets?: readonly string[]
}

/** How records get their dedup keys, and how long keys are remembered. */
export interface DedupSettings {
  /**
   * Record paths of the key. They and `time` are part of the state's fingerprint: another key
   * cannot recognise old events.
   */
  readonly key: readonly string[]
  /** Record path of the event time. */
  readonly time?: string | undefined
  /**
   * Milliseconds of event time between two copies of a record; undefined: keys are kept for ever.
   */
  readonly within?: number | undefined
  /** Budget of the dedup index in bytes. */
  readonly memory: number
  /** True when a record without a key is rejected, false when it passes without deduplication. */
  readonly requiresKey: boolean
}

export interface TransformContext extends Context {
  /**
   * The paths of the pipeline. Ask for all you need in `create`: they are then found while the
   * bytes are scanned.
   */
  readonly paths: Paths
  path(text: string): Path
  /**
   * Key of the dedup digests: 16 secret bytes of the state, the same in every run. Absent where
   * there is no state.
   */
  readonly hashKey?: Buffer
  /**
   * Aborts if the run ends while a call is under way: the call must end within a second. Then `close` is
   * called. Absent where nothing is run.
   */
  readonly signal?: AbortSignal
  /** Writes one line to the log, see `ReadOptions.note`. Absent where there is no log. */
  readonly note?: ReadOptions['note']
  /**
   * True if the records have been through the pipeline's redactions before: they are rejects that
   * are replayed. A pseudonym must then not be made of a pseudonym.
   */
  readonly isRedacted?: true
  /**
   * SHA-256, in hex, of files that the configuration names, by absolute path. Present if the records are
   * a shard of a parallel backfill: it may be executed again, elsewhere, and must then become the same
   * objects. So a transform that reads such a file refuses other content, and does not read it again.
   */
  readonly files?: ReadonlyMap<string, string>
}

/**
 * Custom code returns one of the first three from `create`. Built-ins work on whole batches.
 *
 * A record may be transformed again after a crash, by another process: the same input must give the
 * same output, or at least the same dedup key. Nothing may be carried from one batch to the next
 * that a crash would lose.
 */
export type Transform = TransformFunction | FunctionTransform | DuplexTransform | BatchTransform

/**
 * Called for each live record, in order. Returned promises are awaited, up to `concurrency` (16) at
 * once, and their order is kept: so an async function must allow calls to overlap. The record is
 * valid until the function returns or its promise settles. A throw, or a result that is not an
 * outcome (`undefined`, a string), rejects the record with TRANSFORM_FAILED.
 */
export type TransformFunction = (record: Record) => Outcome | Promise<Outcome>

export interface FunctionTransform {
  transform: TransformFunction
  /**
   * Called at the end of every batch. Everything the function held back during the batch must come
   * out here: the batch's position commits with it.
   */
  flush?(): Outcome | Promise<Outcome>
  close?(): void | Promise<void>
}

/**
 * For code that exists as an object-mode Node stream. A new stream is made, fed with frozen
 * objects, ended and drained for each batch. An object that comes out as it went in keeps its
 * bytes. Any other output cannot be tied to an input, so `dedup` must come after this stage.
 */
export interface DuplexTransform {
  duplex(): Duplex
}

export interface RuleMatches {
  /** The rule as the author knows it: `rules[0] initiated_by.email`. */
  readonly rule: string
  readonly matches: number
  /** The rule searches texts: finding nothing is no sign of a mistake. */
  readonly searches?: true
}

/** Changes a batch in place: edits, drops, rejects, digests. */
export interface BatchTransform {
  /**
   * Returns replacement batches if lines had to be rewritten (see `rebuild`), otherwise nothing.
   */
  batch(batch: Batch): Batch[] | void | Promise<Batch[] | void>
  /** True if output records are not tied to input records: `dedup` must then come after this stage. */
  readonly isUntied?: boolean
  /** True if `batch` may call `rebuild`: new members of earlier stages are then in the bytes before. */
  readonly rebuilds?: boolean
  /**
   * How many values each rule of the configuration has matched so far. The runtime reports rules
   * that have matched nothing: their path is probably misspelt.
   */
  ruleMatches?(): readonly RuleMatches[]
  /**
   * What the transform has counted so far, by name, for the report: for example records that were found
   * in a table, and records that were not.
   */
  counts?(): { readonly [name: string]: number }
  close?(): void | Promise<void>
}

// Sinks

export interface SinkDeclaration<Properties extends TProperties = TProperties> extends BaseDeclaration<Properties> {
  readonly kind: 'sink'
  /**
   * An object sink publishes finished files; the runtime gives it a transactional outbox,
   * exactly-once state, and the options `key`, `compression` and `roll`. A stream sink takes bytes
   * as they come; no state is kept, and each run starts from the beginning of the source.
   */
  readonly delivers: 'objects' | 'stream'
  /**
   * For stream sinks. True when the sink is done with the bytes of a `write` as soon as its promise
   * resolves. The runtime then overwrites that memory with the next batch. Default: false, always
   * safe: each write gets memory of its own. If a sink that keeps buffers sets it, later records
   * overwrite earlier ones and the output is wrong without an error.
   */
  readonly reusesBuffers?: boolean
  check?(config: Config<Properties>, context: Context): Iterable<Finding> | Promise<Iterable<Finding>>
  create(config: Config<Properties>, context: Context): ObjectSink | StreamSink | Promise<ObjectSink | StreamSink>
}

export interface ObjectSink {
  /**
   * Everything that the upload of an object needs except credentials, as JSON. It is stored with
   * the object at commit. Pure, and without secrets: it is shown by `sluice state show`.
   *
   * The other methods get the destination as it was stored, perhaps by another process with another
   * configuration. Where the object goes (bucket, folder, host, key) comes from it, so that a later
   * edit of the configuration cannot send the object elsewhere. How to talk to the store (region,
   * part size, the spelling of an address) may follow the configuration: otherwise a mistake there
   * could not be corrected for objects that wait.
   */
  destination(key: string): JsonObject
  /**
   * Names where the object of a destination goes, and nothing about how: `s3://audit/a.ndjson`, an
   * absolute path. Two destinations with the same location are the same object. For messages, and
   * for `sluice state redirect`, which moves objects with another location. Default: the JSON of the
   * destination.
   */
  location?(destination: JsonObject): string
  /** Longest key in bytes of UTF-8. */
  readonly maxKeyBytes: number
  /** The folder on this machine that holds all objects, if there is one. The log warns if others can enter it. */
  readonly folder?: string
  /**
   * Makes an object visible: whole, or not at all. Several objects are published at once.
   *
   * Idempotent: the key contains a hash of the content, so an object that is already there under
   * this key is this one, and counts as published. Called again, perhaps by another process, after
   * any retryable failure, after an abort and after a crash.
   *
   * @throws SluiceError SINK_UNAVAILABLE (retryable) when the store may take it later; SINK_REFUSED
   *   when only a person can help: the run ends and the object stays in the outbox.
   */
  publish(file: OutboxFile, destination: JsonObject, signal: AbortSignal, attempt: Attempt): Promise<void>
  /**
   * Puts the bytes of an object where the object will be, in their final form, and shows it to no
   * reader. For `--workers` on other machines: a worker stages, and the process that owns the state
   * publishes after the commit. `stage`, `publishStaged` and `discardStaged` come together; a queue
   * refuses a sink without them.
   *
   * Staged bytes are durable when it resolves, and outlive this process and its credentials. Nothing
   * of `file` is needed afterwards. Several objects are staged at once, also of the same destination:
   * a dead worker and its successor may stage the same object. They must not disturb each other.
   * After a failure or an abort nothing stays staged, as far as the store can still be reached.
   *
   * @returns the handle: all that another process needs to publish or to discard what was staged,
   *   apart from the destination and credentials. JSON of a few KB at most, and without secrets: it
   *   passes through a queue, is stored at commit, and is shown by `sluice state show`.
   * @throws SluiceError as `publish` does
   */
  stage?(file: OutboxFile, destination: JsonObject, signal: AbortSignal): Promise<Json>
  /**
   * Makes a staged object visible: whole, or not at all. Idempotent, like `publish`, and by the same
   * rules: called again, perhaps by another process or by two at once, after any retryable failure,
   * after an abort and after a crash. An object that is already there under this key is this one.
   *
   * @param object what the committed row says of the object; `isStaged` is true
   * @returns `published` when the object is visible. `gone` only when it is proved that the object is
   *   not visible and that what was staged does not exist any more (a rule of the store has removed
   *   it): the records are then transformed and staged again, under another handle. In doubt it
   *   throws: `gone` costs work, a wrong `published` costs records.
   * @throws SluiceError as `publish` does. SINK_UNAVAILABLE (retryable) also when the outcome is
   *   unknown.
   */
  publishStaged?(
    handle: Json,
    object: ObjectFacts,
    destination: JsonObject,
    signal: AbortSignal,
    attempt: Attempt,
  ): Promise<'published' | 'gone'>
  /**
   * Removes what was staged: a worker's result came too late, or its shard is cancelled. Idempotent;
   * no-op if it does not exist any more. Never removes a visible object, also one that was published
   * from this handle or from another one of the same destination. What it cannot remove without that
   * danger stays, until a rule of the store removes it.
   *
   * The caller does not publish the handle any more. Another handle of the same destination may be
   * published at the same time.
   * @throws SluiceError as `publish` does; nothing depends on it, the caller may ignore it
   */
  discardStaged?(handle: Json, destination: JsonObject, signal: AbortSignal): Promise<void>
  /**
   * Removes what dead workers have staged and not reported: everything staged, where this sink
   * writes, whose key starts with `prefix` and is dead. Keys of shards that may still be published
   * are not dead. The rules of `discardStaged` hold. Called when a parallel backfill has ended.
   * @returns how many were removed. What cannot be listed or removed stays, without an error.
   */
  sweepStaged?(prefix: string, isDead: (key: string) => boolean, signal: AbortSignal): Promise<number>
  /**
   * True when the object is proved visible. Asked when its file is gone. Without this method, or in
   * doubt, the object counts as lost.
   * @param bytes length of the object; one of another length is another object
   */
  exists?(destination: JsonObject, signal: AbortSignal, bytes?: number): Promise<boolean>
  /**
   * Reads an object back, for `sluice verify`: its stored bytes, or undefined when it is not there.
   * @throws SluiceError SINK_REFUSED when reading is not allowed
   */
  open?(destination: JsonObject, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined>
  /**
   * All keys that start with a prefix, where this sink writes; for `sluice verify`.
   * @throws SluiceError SINK_REFUSED when listing is not allowed
   */
  list?(prefix: string, signal: AbortSignal): AsyncIterable<string>
  /** For stores that may ignore the condition that `publish` puts on a write. */
  readonly conditionalPutProbe?: ConditionalPutProbe
  /**
   * Tries everything that a run needs to write below a prefix. Leaves no object there. Failures are
   * yielded as `error`, not thrown. For `sluice check --connect`, and before a run commits the first
   * object for a destination: a final error then ends the run, and nothing is committed that could
   * not be published; after a retryable one, records are collected and wait.
   */
  connect?(prefix: string, signal: AbortSignal): AsyncIterable<ConnectionCheck>
  close?(): void | Promise<void>
}

/**
 * Finds out whether a store honours the condition of a put (`If-None-Match: *`). Asked once per
 * store, when the store has its first object; the state keeps the answer.
 */
export interface ConditionalPutProbe {
  /**
   * Names the store of an object and the way it is put: what holds for one object holds for all
   * with the same name.
   */
  store(object: ObjectFacts, destination: JsonObject): string
  /**
   * Probes the store of an object. Never touches the object itself, and leaves nothing.
   * @throws SluiceError if the next run shall ask again
   */
  run(object: ObjectFacts, destination: JsonObject, signal: AbortSignal): Promise<ProbeResult>
}

export interface ProbeResult {
  /** True when the store refuses to replace an object; absent when that cannot be known. */
  readonly refusesOverwrite?: boolean
  /** For the log: why it cannot be known, or what the probe could not remove. */
  readonly note?: string
}

/**
 * Carries a note from one attempt to publish an object to the next, across crashes too: for example
 * the ids of unfinished uploads.
 */
export interface Attempt {
  /** True if an earlier attempt, perhaps of another process, may have made the object visible. */
  readonly isRepeated: boolean
  /**
   * True if the store has taken an object of this pipeline before, or if that is not known. A host
   * name that does not exist is then an outage, and else a mistake.
   */
  readonly storeIsKnown: boolean
  readonly resumeToken: Json | undefined
  /**
   * Durable when it resolves. Save the token before the resource that it names can be forgotten.
   */
  saveResumeToken(token: Json): Promise<void>
}

/** What the state knows of an object's bytes. */
export interface ObjectFacts {
  readonly bytes: number
  readonly records: number
  /** Of the bytes, in hex. */
  readonly sha256: string
  readonly compression: 'none' | 'gzip' | 'zstd'
  /** True if the object is staged at the store, and not a file of the outbox. */
  readonly isStaged?: true
}

/**
 * A finished file in the outbox. It exists, unchanged, until `publish` or `stage` resolves. `publish`
 * reads it, or moves it; `stage` reads it.
 */
export interface OutboxFile extends ObjectFacts {
  readonly path: string
}

export interface StreamSink {
  /**
   * Takes whole NDJSON lines. Resolves when the bytes are delivered, or when so little is waiting
   * (16 MiB at most) that the sink wants more. A sink that resolves while its receiver does not keep
   * up loses backpressure: memory then grows with the input. Writes come one after the other, in
   * order. Open a connection in the first one.
   *
   * The bytes belong to the sink until the promise resolves. They stay valid after that unless the
   * declaration has `reusesBuffers: true`. A socket that has accepted a write may still read its
   * bytes: wait for the callback of the write, not for `drain` alone.
   *
   * The signal is the same in all writes of a run. When it aborts, the run has failed elsewhere: end
   * within a second. Resolve only for bytes that were delivered; otherwise reject with
   * `signal.reason`.
   * @throws SluiceError SINK_CLOSED when the receiver wants no more, which is not a failure;
   *   SINK_FAILED or SINK_REFUSED otherwise
   */
  write(bytes: Buffer, signal: AbortSignal): Promise<void>
  /**
   * Called once, when the source has ended and every write has resolved; also if the source has
   * failed, but not after a failed write. Resolves when everything is delivered: a run is not
   * successful before that.
   */
  flush(): Promise<void>
  /** Called once at the end of a run, also of a failed one. Close connections here. */
  close?(): void | Promise<void>
}

/**
 * As written by an author: the `type` of a custom component comes from the pipeline file that names
 * it.
 */
type Authored<Declared extends BaseDeclaration<TProperties>> = Omit<Declared, 'kind' | 'type' | 'examples'> &
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
