import type {
  Config,
  DedupSettings,
  Renewal,
  SinkDeclaration,
  SourceDeclaration,
  TransformDeclaration,
} from '../component.ts'
import type { Condition } from '../record/author/record.ts'
import type { PipelineSecrets } from '../observe/pipeline-secrets.ts'
import type { ScanLimits } from '../record/scan.ts'
import type { testFields } from './test-fields.ts'

/** A fully checked pipeline file, with everything needed to build the pipeline. */
export interface CheckedPipeline {
  /** File name without its extension. Part of the state folder's path and of object keys. */
  readonly name: string
  /** Path as shown in messages: relative to the working directory if inside it. */
  readonly file: string
  /** Absolute path of the file's folder. */
  readonly folder: string
  readonly description: string | undefined
  readonly source: CheckedComponent<SourceDeclaration>
  /** Reads the files of `${file:PATH}` in the source again. Undefined if there are none. */
  readonly renewal?: Renewal | undefined
  readonly transforms: readonly CheckedComponent<TransformDeclaration>[]
  /** At least one. Several only if all of them are object sinks. */
  readonly sinks: readonly CheckedSink[]
  /** Which sinks get a record. Undefined: all of them. */
  readonly routes: CheckedRoutes | undefined
  /** The sink for copies of rejects, if any. */
  readonly rejects: CheckedComponent<SinkDeclaration> | undefined
  readonly rejectOptions: { readonly local: number; readonly unparsed: 'digest' | 'keep' }
  readonly limits: ScanLimits
  readonly secrets: PipelineSecrets
  readonly tests: readonly PipelineTest[]
}

export interface CheckedComponent<Declared> {
  readonly declaration: Declared
  /** Checked and complete with defaults. Durations are in milliseconds, sizes in bytes. */
  readonly config: { readonly [key: string]: unknown }
  /** Unique in the pipeline: the type, or the type and a number (`redact-2`). */
  readonly stage: string
}

/** A sink that gets records. */
export interface CheckedSink extends CheckedComponent<SinkDeclaration> {
  /** Identifies it in the state: its key in `sinks`, or `sink`. */
  readonly name: string
}

/** Where records go. The first route that takes a record decides. */
export interface CheckedRoutes {
  readonly routes: readonly CheckedRoute[]
  /** The sinks of what no route takes, or what happens to it. */
  readonly others: readonly string[] | 'drop' | 'reject'
}

export interface CheckedRoute {
  /** It takes records that match any of these. None: every record. */
  readonly when: readonly Condition[]
  /** An expression that must be true, too. */
  readonly where?: string | undefined
  /** What happens to a record for which `where` has no result. */
  readonly onError: 'reject' | 'skip'
  /** Names of sinks. */
  readonly to: readonly string[]
}

/** The transform of a pipeline that gives records their dedup keys. */
export interface DedupStage {
  readonly stage: string
  /** Its index among the transforms. */
  readonly index: number
  readonly settings: DedupSettings
}

/** Undefined when the pipeline does not deduplicate. */
export function findDedup({ transforms }: Pick<CheckedPipeline, 'transforms'>): DedupStage | undefined {
  for (const [index, { declaration, config, stage }] of transforms.entries()) {
    if (declaration.dedup) return { stage, index, settings: declaration.dedup(config) }
  }
  return undefined
}

/** A test of a pipeline: an entry of its `tests:` block, or a file in `tests/NAME/`. */
export interface PipelineTest extends Config<typeof testFields> {
  /** Path of the file with the test, as shown in messages. */
  readonly file: string
  /** The same, absolute. Paths in the test are relative to its folder. */
  readonly path: string
  /** Where the test is in that file: `['tests', 2]`; empty if it is the whole file. */
  readonly keys: readonly (string | number)[]
  /** Line of the test in the file. */
  readonly line: number
  /** Lines of the input records in the file; empty if the input is a file. */
  readonly inputLines: readonly number[]
}

/** A problem in a pipeline file or in a file it refers to, or a note about it. */
export interface Problem {
  readonly severity: 'error' | 'warning' | 'note'
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
  /** Number of characters to underline. */
  readonly length: number
  readonly message: string
  /** How to fix it: the closest legal value, the legal values, or the correct spelling. */
  readonly hint?: string
  /** The source line, with secrets masked. Absent if there is no line to show. */
  readonly text?: string
}
