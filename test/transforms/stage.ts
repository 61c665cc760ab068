import assert from 'node:assert/strict'
import { Type } from 'typebox'
import type { TProperties } from 'typebox'
import { Value } from 'typebox/value'
import type { Config, Finding, TransformDeclaration } from '../../src/component.ts'
import type { Batch } from '../../src/record/batch.ts'
import { openBatches } from '../../src/record/open-batches.ts'
import type { Json } from '../../src/record/json/json.ts'
import { Paths } from '../../src/record/paths/path.ts'
import { defaultLimits } from '../../src/record/scan.ts'

export interface Outcome {
  readonly batches: readonly Batch[]
  /** Live lines with their edits. */
  readonly lines: readonly string[]
  readonly rejects: readonly { code: string; detail: string | undefined; line: number; text: string }[]
  readonly dropped: { readonly [reason: string]: number }
}

export interface StageOptions {
  readonly hashKey?: Buffer
  /** The records are replayed rejects. */
  readonly isRedacted?: true
  /** Changes the batch first, like an earlier stage. */
  readonly before?: (batch: Batch) => void
}

/**
 * Runs records (or lines) through a transform like a pipeline, and checks the ledger of every
 * resulting batch.
 */
export async function runStage<Properties extends TProperties>(
  declaration: TransformDeclaration<Properties>,
  config: { readonly [key: string]: unknown },
  records: readonly (string | object)[],
  { hashKey, isRedacted, before }: StageOptions = {},
): Promise<Outcome> {
  const paths = new Paths()
  const transform = await declaration.create(withDefaults(declaration, config), {
    pipeline: 'test',
    stage: declaration.type,
    folder: '/',
    paths,
    path: (text) => paths.add(text),
    ...(hashKey && { hashKey }),
    ...(isRedacted && { isRedacted }),
  })
  assert.ok(typeof transform === 'object' && 'batch' in transform, 'not a batch transform')
  const batches: Batch[] = []
  for (const batch of openRecords(records, paths)) {
    before?.(batch)
    batches.push(...((await transform.batch(batch)) ?? [batch]))
  }
  return outcomeOf(batches)
}

/** Each record before and after the transform, as text. All stay live. */
export type Cases = readonly (readonly [string, string])[]

export async function assertStage<Properties extends TProperties>(
  declaration: TransformDeclaration<Properties>,
  config: { readonly [key: string]: unknown },
  cases: Cases,
): Promise<void> {
  const inputs = cases.map(([before]) => before)
  const { lines } = await runStage(declaration, config, inputs)
  assert.deepEqual(
    lines,
    cases.map(([, after]) => after),
  )
}

export async function checkStage<Properties extends TProperties>(
  declaration: TransformDeclaration<Properties>,
  config: { readonly [key: string]: unknown },
): Promise<Finding[]> {
  const context = { pipeline: 'test', stage: declaration.type, folder: '/' }
  return [...((await declaration.check?.(withDefaults(declaration, config), context)) ?? [])]
}

export function openRecords(records: readonly (string | object)[], paths = new Paths()): Batch[] {
  const text = records.map((record) => `${typeof record === 'string' ? record : JSON.stringify(record)}\n`).join('')
  const chunk = { bytes: Buffer.from(text), origin: { name: 'test', line: 1 } }
  return openBatches(chunk, { partition: '', number: 0, paths, limits: defaultLimits })
}

export function outcomeOf(batches: readonly Batch[]): Outcome {
  for (const batch of batches) {
    const { read, added, dropped } = batch.tallies
    const gone = [...dropped.values()].reduce((sum, count) => sum + count, 0)
    assert.equal(read + added, batch.live + gone + batch.rejects.length, 'the ledger of a batch balances')
  }
  const dropped: { [reason: string]: number } = {}
  for (const { tallies } of batches) {
    for (const [reason, count] of tallies.dropped) dropped[reason] = (dropped[reason] ?? 0) + count
  }
  return {
    batches,
    lines: batches.flatMap((batch) => batch.assemble().toString().split('\n').slice(0, -1)),
    rejects: batches.flatMap((batch) =>
      batch.rejects.map(({ code, detail, line, record }) => ({
        code,
        detail,
        line,
        text: batch.line(record).toString(),
      })),
    ),
    dropped,
  }
}

export function parse(line: string): Json {
  const value: Json = JSON.parse(line)
  return value
}

/** The configuration as a check leaves it. */
export function withDefaults<Properties extends TProperties>(
  { fields }: TransformDeclaration<Properties>,
  config: { readonly [key: string]: unknown },
): Config<Properties> {
  const filled = Value.Default(Type.Object(fields), structuredClone(config))
  assert.ok(isConfig<Properties>(filled))
  return filled
}

/** Tests pass configurations in the form that `check` converts them to. */
function isConfig<Properties extends TProperties>(value: unknown): value is Config<Properties> {
  return typeof value === 'object'
}
