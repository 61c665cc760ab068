import type { SinkDeclaration, SourceDeclaration, TransformDeclaration, TransformFunction } from '../../component.ts'
import type { PipelineLog } from './program-log.ts'

/**
 * A component: its `type` and its options, by the names that they have in a pipeline file. The type is
 * a built-in (`s3`), a file (`./tag.ts`), an export of a package (`@acme/plugin:geo`), or the component
 * itself, as `defineSource` and its siblings return it. Values are written as in a pipeline file:
 * `'5m'`, `'64MiB'`. `${env:NAME}` is not replaced: write `process.env.NAME`.
 */
export interface ComponentConfig<Component> {
  readonly type: string | Component
  readonly [option: string]: unknown
}

/** The source of a pipeline. A component without options can stand alone. */
export type SourceConfig = ComponentConfig<AnySource> | AnySource

/** A transform of a pipeline. A component without options, or a function of a record, can stand alone. */
export type TransformConfig = ComponentConfig<AnyTransform | TransformFunction> | AnyTransform | TransformFunction

/** The sink of a pipeline. */
export type SinkConfig = (ComponentConfig<AnySink> & SinkOptions) | AnySink

interface SinkOptions {
  /**
   * The pipeline's state folder, for example `.sluice/mine`. Its last part is the name of the pipeline.
   * Object sinks require it: the next run resumes at the positions in it. One process at a time owns
   * it; another one fails with STATE_IN_USE.
   */
  readonly state?: string
  /** The dead-letter queue, as `rejects` of a pipeline file. */
  readonly rejects?: { readonly [option: string]: unknown }
}

/** What concerns the whole pipeline. Its source takes it, since every pipeline has one source. */
export interface PipelineOptions {
  /** Folder that relative paths of the pipeline are relative to. Default: the working directory. */
  readonly folder?: string
  /** Keep polling for more input when everything is read. Default: false. */
  readonly follow?: boolean | undefined
  /** Nothing is appended to the input any more. Default: false. */
  readonly final?: boolean | undefined
  /** Continue with the next input when one of several inputs is damaged. Default: false. */
  readonly keepGoing?: boolean | undefined
  /** As in a pipeline file: `{ maxLine: '4MiB' }`. */
  readonly limits?: { readonly maxDepth?: number; readonly maxLine?: number | string }
  /** As in a pipeline file: allows a source that repeats records without a `dedup`. */
  readonly allowRepeats?: boolean
  /**
   * Asks for a clean end when it aborts: what was read is committed and published, and the pipeline
   * resolves. (The `signal` of `pipeline` drops what is not committed yet.)
   */
  readonly signal?: AbortSignal
  /** Gets each line of the log: retries, late inputs, what was recovered. Default: no log. */
  readonly log?: PipelineLog
}

// The options of a declaration are not known here.
// oxlint-disable-next-line typescript/no-explicit-any
type AnySource = SourceDeclaration<any>
// oxlint-disable-next-line typescript/no-explicit-any
type AnyTransform = TransformDeclaration<any>
// oxlint-disable-next-line typescript/no-explicit-any
type AnySink = SinkDeclaration<any>
