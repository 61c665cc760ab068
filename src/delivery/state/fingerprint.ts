import { scrypt } from 'node:crypto'
import { isDeepStrictEqual, promisify } from 'node:util'
import type { Json } from '../../record/json/json.ts'

/**
 * What decides the dedup keys of a pipeline. With another definition the keys of earlier runs match
 * nothing, and what is read again is written again.
 */
export interface KeyDefinition {
  /** Undefined if the pipeline does not deduplicate. */
  readonly dedup?: { readonly key: readonly string[]; readonly time: string | null }
  /** The stages before `dedup` that can change values of the key, in order. */
  readonly stages?: readonly KeyStage[]
  /** Custom code before `dedup` that does not say what it changes. */
  readonly code?: readonly KeyCode[] | undefined
}

interface KeyStage {
  readonly type: string
  /** What the stage does to the values, as JSON. */
  readonly settings: Json
  readonly secrets: readonly string[]
}

interface KeyCode {
  readonly type: string
  /** Of the file and of the files of the project that it imports, in hex. */
  readonly sha256: string
  /** The configuration of the stage. It may contain secrets. */
  readonly options: Json
}

/** A definition as the state stores it: without secrets. */
export interface Fingerprint {
  readonly dedup?: KeyDefinition['dedup']
  readonly stages: readonly { readonly type: string; readonly settings: Json; readonly secrets?: string }[]
  readonly code: readonly { readonly type: string; readonly sha256: string; readonly options: string }[]
}

/**
 * Digests the secrets of a definition. A secret may be short, and the salt is beside the digest, so
 * each guess has to be slow: scrypt takes about 0.1 s and 32 MiB. @param salt random bytes of the
 * state
 */
export async function takeFingerprint(
  { dedup, stages = [], code = [] }: KeyDefinition,
  salt: Buffer,
): Promise<Fingerprint> {
  const digest = async (secret: unknown) => (await slowHash(JSON.stringify(secret), salt, 32, COST)).toString('hex')
  const stored: Fingerprint['stages'][number][] = []
  for (const { type, settings, secrets } of stages) {
    stored.push({ type, settings, ...(secrets.length > 0 && { secrets: await digest(secrets) }) })
  }
  const options = await Promise.all(code.map(async (one) => (isEmpty(one.options) ? '' : digest(one.options))))
  return {
    ...(dedup && { dedup }),
    stages: stored,
    code: code.map(({ type, sha256 }, at) => ({ type, sha256, options: options[at] })),
  }
}

const slowHash: (secret: string, salt: Buffer, length: number, options: typeof COST) => Promise<Buffer> =
  promisify(scrypt)
/** The parameters that OWASP recommends for 32 MiB. `maxmem` leaves room for the overhead. */
const COST = { N: 2 ** 15, r: 8, p: 3, maxmem: 64 << 20 }

function isEmpty(options: Json): boolean {
  return isDeepStrictEqual(options, {})
}

/** What differs in a way that changes dedup keys, in words. Custom code does not count. */
export function differences(stored: Fingerprint, now: Fingerprint): string[] {
  if (!stored.dedup !== !now.dedup) return [now.dedup ? 'dedup is new' : 'dedup is gone']
  const found: string[] = []
  if (!isDeepStrictEqual(stored.dedup?.key, now.dedup?.key)) found.push('dedup.key')
  if (!isDeepStrictEqual(stored.dedup?.time, now.dedup?.time)) found.push('dedup.time')
  return [...found, ...stageDifferences(stored.stages, now.stages)]
}

type Stages = Fingerprint['stages']

function stageDifferences(stored: Stages, now: Stages): string[] {
  if (isDeepStrictEqual(stored, now)) return []
  const added = now.filter((stage) => !stored.some((other) => isDeepStrictEqual(stage, other)))
  const removed = stored.filter((stage) => !now.some((other) => isDeepStrictEqual(stage, other)))
  if (added.length === 0 && removed.length === 0) return ['the order of the stages before dedup']
  const found: string[] = []
  for (const stage of added) {
    const before = removed.findIndex(({ type }) => type === stage.type)
    const [earlier] = before < 0 ? [] : removed.splice(before, 1)
    if (!earlier) found.push(`${stage.type} before dedup now changes the key`)
    else if (isDeepStrictEqual(earlier.settings, stage.settings)) found.push(`a secret of ${stage.type} before dedup`)
    else found.push(`what ${stage.type} before dedup does to the key`)
  }
  return [...found, ...removed.map(({ type }) => `${type} before dedup no longer changes the key`)]
}

/** Custom code that may have changed dedup keys: `the code of ./tag.ts`. */
export function codeDifferences(stored: Fingerprint, now: Fingerprint): string[] {
  const found = now.code.flatMap(({ type, sha256, options }) => {
    const earlier = stored.code.filter((one) => one.type === type)
    if (earlier.length === 0) return [`${type} is new`]
    if (!earlier.some((one) => one.sha256 === sha256)) return [`the code of ${type} has changed`]
    return earlier.some((one) => one.options === options) ? [] : [`the options of ${type} have changed`]
  })
  const gone = stored.code.filter(({ type }) => !now.code.some((one) => one.type === type))
  return [...found, ...gone.map(({ type }) => `${type} is gone`)]
}
