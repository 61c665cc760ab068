import type { DedupSettings, SinkDeclaration, SourceDeclaration, TransformDeclaration } from '../component.ts'
import type { JsonObject } from '../record/json/json.ts'
import type { ScanLimits } from '../record/scan.ts'

/** A pipeline file after all checks: everything that is needed to build it, and nothing left to doubt. */
export interface CheckedPipeline {
  /** The file's name without its ending: names the state folder and the objects. */
  readonly name: string
  /** As messages show it: relative to the working directory when it lies below it. */
  readonly file: string
  /** Absolute. */
  readonly folder: string
  readonly description: string | undefined
  readonly source: CheckedComponent<SourceDeclaration>
  readonly transforms: readonly CheckedComponent<TransformDeclaration>[]
  readonly sink: CheckedComponent<SinkDeclaration>
  /** Where rejects are copied to. */
  readonly rejects: CheckedComponent<SinkDeclaration> | undefined
  readonly rejectOptions: { readonly local: number; readonly unparsed: 'digest' | 'keep' }
  readonly limits: ScanLimits
  readonly tests: readonly PipelineTest[]
  /** Values of secret fields and of `${file:}`, to be hidden wherever text leaves the process. */
  readonly secrets: readonly string[]
}

export interface CheckedComponent<Declared> {
  readonly declaration: Declared
  /** Checked, with defaults, durations in milliseconds, sizes in bytes. */
  readonly config: { readonly [key: string]: unknown }
  /** Unique within the pipeline: the type, or the type and a number (`redact-2`). */
  readonly stage: string
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

/** One entry of a pipeline's `tests:` block. */
export interface PipelineTest {
  readonly name: string
  /** Environment for this test alone. */
  readonly env: { readonly [name: string]: string }
  /** Records, or text lines, or a file of them. */
  readonly input: readonly (JsonObject | string)[] | { readonly file: string }
  readonly expect: {
    readonly output?: readonly JsonObject[]
    /** By code, stage, line (any subset). */
    readonly rejects?: readonly { readonly code: string; readonly stage?: string; readonly line?: number }[]
    readonly dropped?: { readonly [reason: string]: number }
    readonly duplicates?: number
  }
  /** Line of the entry in the pipeline file. */
  readonly line: number
}

/** A problem of a pipeline file, or of a file that it names; or a note on it. */
export interface Problem {
  readonly severity: 'error' | 'warning' | 'note'
  readonly file: string
  /** From 1. */
  readonly line: number
  readonly column: number
  /** How many characters the caret line underlines. */
  readonly length: number
  readonly message: string
  /** The way out: nearest legal value, the list of legal values, the right spelling. */
  readonly hint?: string
  /** The line as it was written, with secrets masked; absent when there is none to show. */
  readonly text?: string
}
