import type { Transform, TransformDeclaration } from '../component.ts'
import { configure, contextOf } from './configure.ts'
import { recordView } from '../record/author/record-view.ts'
import type { Record } from '../record/author/record.ts'
import type { JsonObject } from '../record/json/json.ts'
import { openBatches } from '../record/open-batches.ts'
import { Paths } from '../record/paths/path.ts'
import { defaultLimits } from '../record/scan.ts'
import { openDryRunner } from '../inspect/dry-run.ts'
import type { DryRun, DryRunner } from '../inspect/dry-run.ts'

/** The result of a rehearsal. */
export interface Rehearsal {
  /** The records that would be written, in order. */
  readonly output: readonly JsonObject[]
  /** The same as they would be spelled: untouched records keep their bytes. */
  readonly lines: readonly string[]
  /** In the order of the input. `index` counts the records of the input from 0. */
  readonly rejects: readonly { readonly index: number; readonly code: string; readonly detail?: string }[]
  readonly dropped: number
  readonly duplicates: number
}

export interface RehearsalOptions {
  /** For a declaration: its configuration as in a pipeline file, without `type`. */
  readonly config?: object
  /** The folder to which relative files in the configuration are relative. */
  readonly folder?: string
}

/**
 * Runs a transform over records as a pipeline would: a function, an object with `transform` and
 * `flush`, one with `duplex`, or a whole declaration. Records are objects, or JSON text where the
 * spelling matters. For unit tests, in any test runner.
 *
 * @throws SluiceError CONFIG_INVALID when the configuration of a declaration is wrong,
 *   TRANSFORM_FAILED when a `flush` fails
 */
export async function rehearse(
  transform: Transform | TransformDeclaration,
  records: readonly (JsonObject | string)[],
  { config = {}, folder }: RehearsalOptions = {},
): Promise<Rehearsal> {
  const declaration = asDeclaration(transform)
  const runner = await openTransform(declaration, await configure(declaration, config, folder), folder)
  try {
    return resultOf(await runner.run(linesOf(records)))
  } finally {
    await runner.close()
  }
}

/**
 * A record to call a transform function with: `tag(makeRecord({ success: false }))`.
 * @throws TypeError for text that is not a record
 */
export function makeRecord(record: JsonObject | string): Record {
  const chunk = { bytes: linesOf([record]) }
  const [batch] = openBatches(chunk, { partition: '', number: 0, paths: new Paths(), limits: defaultLimits })
  if (batch.live !== 1) throw new TypeError(`not a record: ${batch.rejects[0]?.code ?? 'nothing'}`)
  return recordView(batch, 0)
}

/**
 * A transform as a pipeline would run it.
 * @param config checked, see `configure`
 */
export async function openTransform(
  declaration: TransformDeclaration,
  config: { readonly [key: string]: unknown },
  folder?: string,
): Promise<DryRunner> {
  const { pipeline: name, stage, folder: base } = contextOf(declaration, folder)
  return openDryRunner({ name, folder: base, transforms: [{ declaration, config, stage }], limits: defaultLimits })
}

/** Records, or JSON text, as NDJSON. */
export function linesOf(records: readonly (JsonObject | string)[]): Buffer {
  return Buffer.from(
    records.map((record) => `${typeof record === 'string' ? record : JSON.stringify(record)}\n`).join(''),
  )
}

function resultOf({ output: lines, rejects, dropped, duplicates }: DryRun): Rehearsal {
  return {
    output: lines.map((line): JsonObject => JSON.parse(line)),
    lines,
    rejects: rejects.map(({ line, code, detail }) => ({
      index: line - 1,
      code,
      ...(detail !== undefined && { detail }),
    })),
    dropped: [...dropped.values()].reduce((sum, count) => sum + count, 0),
    duplicates,
  }
}

function asDeclaration(transform: Transform | TransformDeclaration): TransformDeclaration {
  if (typeof transform === 'object' && 'kind' in transform) return transform
  return { kind: 'transform', type: '', summary: '', fields: {}, examples: [], create: () => transform }
}
