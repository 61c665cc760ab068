import type { Transform, TransformDeclaration } from '../component.ts'
import { configure, contextOf } from './configure.ts'
import { recordView } from '../record/author/record-view.ts'
import type { Record } from '../record/author/record.ts'
import type { Batch } from '../record/batch.ts'
import type { JsonObject } from '../record/json/json.ts'
import { openBatches } from '../record/open-batches.ts'
import { Paths } from '../record/paths/path.ts'
import { defaultLimits } from '../record/scan.ts'
import { Deduplicator, memoryDedupKeys } from '../delivery/dedup/deduplicate.ts'
import { buildStages, throughAll } from '../runtime/transform-stages.ts'

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
  const instance = await openInstance(declaration, await configure(declaration, config, folder), folder)
  try {
    return resultOf(await instance.run(records))
  } finally {
    await instance.close()
  }
}

/**
 * A record to call a transform function with: `tag(makeRecord({ success: false }))`. @throws
 * SluiceError VALUE_INVALID for text that is no record
 */
export function makeRecord(record: JsonObject | string): Record {
  const [batch] = openRecords([record], new Paths(), 0)
  if (batch.live !== 1) throw new TypeError(`not a record: ${batch.rejects[0]?.code ?? 'nothing'}`)
  return recordView(batch, 0)
}

/**
 * A transform that runs, with everything after it that a pipeline would have: deduplication across
 * its batches.
 */
export interface Instance {
  /** Runs one batch; batches follow each other as in a run. */
  run(records: readonly (JsonObject | string)[]): Promise<BatchResult>
  close(): Promise<void>
}

/** One batch of input, and what became of it. */
export interface BatchResult {
  readonly input: readonly Batch[]
  readonly output: readonly Batch[]
  readonly lines: readonly string[]
  readonly rejects: Rehearsal['rejects']
  readonly dropped: number
  readonly duplicates: number
}

/** @param config checked, see `configure` */
export async function openInstance(
  declaration: TransformDeclaration,
  config: { readonly [key: string]: unknown },
  folder?: string,
): Promise<Instance> {
  const paths = new Paths()
  const { pipeline: name, stage, folder: base } = contextOf(declaration, folder)
  const pipeline = { name, folder: base, transforms: [{ declaration, config, stage }] }
  const stages = await buildStages(pipeline, { paths, hashKey: undefined })
  const deduplicator = new Deduplicator(memoryDedupKeys())
  let number = 0
  return {
    async run(records) {
      const input = openRecords(records, paths, number++)
      const output = await throughAll(stages, input)
      const lines: string[] = []
      const rejects: Rehearsal['rejects'][number][] = []
      let dropped = 0
      let duplicates = 0
      for (const batch of output) {
        const result = await deduplicator.deduplicate(batch)
        for (const record of result.written) lines.push(batch.line(record).toString())
        for (const { line, code, detail } of result.rejects) {
          rejects.push({ index: line - 1, code, ...(detail !== undefined && { detail }) })
        }
        for (const count of batch.tallies.dropped.values()) dropped += count
        duplicates += result.duplicate
      }
      return { input, output, lines, rejects: rejects.toSorted((a, b) => a.index - b.index), dropped, duplicates }
    },
    async close() {
      for (const one of stages) await one.close()
    },
  }
}

function resultOf({ lines, rejects, dropped, duplicates }: BatchResult): Rehearsal {
  return { output: lines.map((line): JsonObject => JSON.parse(line)), lines, rejects, dropped, duplicates }
}

function asDeclaration(transform: Transform | TransformDeclaration): TransformDeclaration {
  if (typeof transform === 'object' && 'kind' in transform) return transform
  return { kind: 'transform', type: '', summary: '', fields: {}, examples: [], create: () => transform }
}

function openRecords(records: readonly (JsonObject | string)[], paths: Paths, number: number): Batch[] {
  const text = records.map((record) => `${typeof record === 'string' ? record : JSON.stringify(record)}\n`).join('')
  return openBatches(
    { bytes: Buffer.from(text), origin: { name: 'input', line: 1 } },
    { partition: '', number, paths, limits: defaultLimits },
  )
}
