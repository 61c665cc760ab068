import { createHash } from 'node:crypto'
import type { PartsOptions, Source, SourcePart } from '../component.ts'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { findDedup } from '../config/pipeline.ts'
import type { Shard } from '../delivery/shards/shard.ts'
import { asSluiceError, SluiceError } from '../errors.ts'
import { awaitComponent } from '../runtime/await-component.ts'
import { parseMoment } from '../runtime/time-range.ts'
import type { TimeLimits } from '../runtime/time-range.ts'
import { qualified } from './qualified-parts.ts'

export interface PlanOptions extends Pick<PartsOptions, 'position' | 'signal' | 'note' | 'inputFailed' | 'final'> {
  /** Wanted bytes of a shard, as stored. */
  readonly shardBytes: number
}

/**
 * A shard before the plan gives it its number. Its parts have the names of source partitions
 * that the state has.
 */
export type PlannedShard = Omit<Shard, 'number'>

/**
 * Divides what is left of a pipeline's input into shards, in reading order. One shard is in memory at a
 * time.
 * @throws SluiceError UNSUPPORTED if the input cannot be divided, SOURCE_FAILED and its like
 */
export async function* planShards(
  pipeline: CheckedPipeline,
  source: Source,
  options: PlanOptions,
): AsyncGenerator<PlannedShard, void> {
  yield* groupParts(planParts(pipeline, source, options), options.shardBytes)
}

/**
 * Groups consecutive parts. Small ones share a shard up to the wanted size; a larger part is a shard of
 * its own.
 */
async function* groupParts(parts: AsyncIterable<SourcePart>, shardBytes: number): AsyncGenerator<PlannedShard, void> {
  let group: SourcePart[] = []
  let cost = 0
  for await (const part of parts) {
    const own = part.bytes + PART_COST
    if (group.length > 0 && (cost + own > shardBytes + PART_COST || group.length === MAX_PARTS)) {
      yield shardOf(group)
      group = []
      cost = 0
    }
    group.push(part)
    cost += own
  }
  if (group.length > 0) yield shardOf(group)
}

function shardOf(parts: readonly SourcePart[]): PlannedShard {
  return { parts, bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0) }
}

/**
 * What it takes to open an input, in bytes that could be read meanwhile. Otherwise a shard of tiny
 * files would take much longer than the others.
 */
const PART_COST = 64 << 10

/** The parts of a shard are one row of the state, and one message to a worker. */
const MAX_PARTS = 1000

/** The parts as the source yields them, checked: a wrong plan would skip input without an error. */
async function* planParts(
  { limits, transforms, source: { stage, declaration } }: CheckedPipeline,
  source: Source,
  { shardBytes, ...options }: PlanOptions,
): AsyncGenerator<SourcePart, void> {
  if (source.parts === undefined || source.readParts === undefined) throw notDivisible(stage)
  const planning = source.parts({
    ...options,
    maxLine: limits.maxLine,
    time: findDedup({ transforms })?.settings.time,
    partBytes: shardBytes,
  })
  const parts = planning[Symbol.asyncIterator]()
  const ended = new Set<string>()
  let last: string | undefined
  try {
    for (;;) {
      const next = await awaitComponent(`the next part of source ${stage}`, parts.next())
      if (options.signal.aborted) throw options.signal.reason
      if (next.done === true) return
      const part = checkPart(next.value, stage)
      if (last !== undefined && last !== part.partition) ended.add(last)
      if (ended.has(part.partition)) throw wrongPart(stage, `parts of "${part.partition}" that are not together`)
      last = part.partition
      yield qualified(declaration.type, part)
    }
  } catch (error) {
    if (options.signal.aborted) throw error
    throw asSluiceError(error, 'SOURCE_FAILED', `source ${stage} could not be divided`)
  } finally {
    // Not awaited: a source that ignores its signal may wait for ever.
    void Promise.resolve(parts.return?.()).catch(() => {})
  }
}

/** The error of a source that has no `parts`. */
function notDivisible(stage: string): SluiceError {
  return new SluiceError('UNSUPPORTED', `the source ${stage} cannot be divided among workers`, {
    hint: 'use --workers 1, without --queue',
  })
}

function checkPart(part: unknown, stage: string): SourcePart {
  if (!isPart(part)) throw wrongPart(stage, 'a value that is not a part')
  return part
}

function isPart(value: unknown): value is SourcePart {
  if (typeof value !== 'object' || value === null) return false
  const { partition, input, bytes, detail }: { readonly [key: string]: unknown } = { ...value }
  const isNamed = typeof partition === 'string' && typeof input === 'string'
  return isNamed && typeof bytes === 'number' && bytes >= 0 && Number.isFinite(bytes) && isJson(detail)
}

function isJson(value: unknown): boolean {
  try {
    return JSON.stringify(value) !== undefined
  } catch {
    return false
  }
}

function wrongPart(stage: string, what: string): SluiceError {
  return new SluiceError('SOURCE_FAILED', `parts of source ${stage} yielded ${what}`, {
    hint: 'yield parts such as `{ partition: "a.csv", input: "a.csv", bytes: 100, detail: null }`, those of a source partition one after the other',
  })
}

/** Options of a backfill that decide which records are read from its input. */
export interface ReadSelection extends TimeLimits {
  readonly final: boolean
}

/**
 * Identifies what a backfill reads: the source and its configuration, without secrets, and the options
 * that select records. A token may be another one when a backfill continues; the inputs may not.
 */
export function sourceDigest({ source: { declaration, config } }: CheckedPipeline, selection: ReadSelection): string {
  const options = selectionText(selection)
  const what = `${declaration.type} ${withoutSecrets(declaration, config)}${options === undefined ? '' : ` ${options}`}`
  return createHash('sha256').update(what).digest('hex').slice(0, 32)
}

/** Equal for two spellings of one instant. Undefined if everything is read. */
function selectionText({ since, until, final }: ReadSelection): string | undefined {
  if (since === undefined && until === undefined && !final) return undefined
  const from = since === undefined ? null : parseMoment('--since', since)
  const to = until === undefined ? null : parseMoment('--until', until)
  return JSON.stringify([from, to, final])
}

/** A configuration as JSON, without the values of secret fields. */
export function withoutSecrets(declaration: { readonly fields: unknown }, config: unknown): string {
  const secrets = new Set(secretNames(declaration.fields))
  return JSON.stringify(config, (name, value: unknown) => (secrets.has(name) ? undefined : value)) ?? ''
}

/** Names of the fields of a JSON schema that are secrets. */
function* secretNames(schema: unknown, name = ''): Generator<string> {
  if (typeof schema !== 'object' || schema === null) return
  if ('secret' in schema && schema.secret === true) yield name
  for (const [key, value] of Object.entries(schema)) yield* secretNames(value, key)
}
