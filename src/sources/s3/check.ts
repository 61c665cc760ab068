import type { Finding } from '../../component.ts'
import { SluiceError } from '../../errors.ts'
import { parseMoment } from '../../fields/moment.ts'
import { endpointFindings } from '../../fields/store-fields.ts'
import { checkRecords } from '../content/records-setting.ts'
import type { S3SourceConfig } from './fields.ts'
import { parseKeyPattern } from './key-pattern.ts'
import type { KeyPattern } from './key-pattern.ts'

export interface S3SourceSettings {
  readonly patterns: readonly KeyPattern[]
  readonly since: number | undefined
  readonly until: number | undefined
}

/** @throws SluiceError CONFIG_INVALID */
export function readSettings({ path, since, until }: S3SourceConfig, now: number): S3SourceSettings {
  return {
    patterns: [path].flat().map(parseKeyPattern),
    since: since === undefined ? undefined : parseDay(since, now),
    until: until === undefined ? undefined : parseDay(until, now),
  }
}

/** Days of keys are in UTC, so a day needs no time. */
function parseDay(text: string, now: number): number {
  return parseMoment(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text, now)
}

/** Checks the configuration without the store. */
export function* checkConfig(config: S3SourceConfig): Generator<Finding> {
  yield* checkRecords(config.records, config.keyAs)
  const { path, lookBack, lookBackEvery, versionId, timeout } = config
  const isList = typeof path !== 'string'
  const patterns: KeyPattern[] = []
  for (const [number, text] of [path].flat().entries()) {
    const at = isList ? ['path', number] : ['path']
    const pattern = yield* tried(at, () => parseKeyPattern(text))
    if (pattern === undefined) continue
    patterns.push(pattern)
    if (pattern.bucket !== patterns[0].bucket) {
      const message = `"${text}" is in another bucket than the first path`
      yield { at, message, hint: 'a pipeline reads one bucket: write another pipeline for the other one' }
    }
    if (versionId !== undefined && !pattern.isExact) {
      yield { at, message: '`versionId` needs the key of one object', hint: 'write s3://bucket/key, without wildcards' }
    }
  }
  if (versionId !== undefined && patterns.length > 1) {
    yield { at: ['versionId'], message: '`versionId` is of one object, and there are several paths' }
  }
  const now = Date.now()
  const since = yield* tried(['since'], () => readSettings({ ...config, path: [], until: undefined }, now).since)
  const until = yield* tried(['until'], () => readSettings({ ...config, path: [], since: undefined }, now).until)
  if (since !== undefined && until !== undefined && until <= since) {
    yield { at: ['until'], message: 'until must be after since' }
  }
  if (lookBack === 0) {
    const message = 'without a look-back, keys that sort before the last one read are never read'
    yield { at: ['lookBack'], severity: 'note', message }
  } else if (lookBackEvery === 0 || lookBackEvery > lookBack) {
    const message = 'lookBackEvery must be more than 0, and at most lookBack'
    yield { at: ['lookBackEvery'], message, hint: 'otherwise keys that come between two look-backs can be missed' }
  }
  if (timeout === 0) yield { at: ['timeout'], message: 'timeout must be more than 0' }
  const [first] = patterns
  if (first !== undefined) yield* endpointFindings(config, first.bucket)
}

function* tried<T>(at: Finding['at'], read: () => T): Generator<Finding, T | undefined> {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    yield { at, message: error.message, ...(error.hint !== undefined && { hint: error.hint }) }
    return undefined
  }
}
