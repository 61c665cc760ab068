import type { TestContext } from 'node:test'
import type { ReadOptions, Source, SourceDeclaration } from '../../../src/component.ts'
import { SluiceError } from '../../../src/errors.ts'
import type { Json } from '../../../src/record/json/json.ts'
import s3 from '../../../src/sources/s3.ts'
import { configure, contextOf } from '../../../src/testing/configure.ts'
import type { S3Server, S3ServerOptions } from '../../servers/s3.ts'
import { startBucketServer } from '../../support/bucket-server.ts'
import { readOptions } from '../../support/read-options.ts'

export const BUCKET = 'logs'

/** See `startBucketServer`. */
export function startBucket(test: TestContext, options?: S3ServerOptions): Promise<S3Server> {
  return startBucketServer(test, BUCKET, options)
}

/** Configuration as in a pipeline file. */
export interface BucketConfig {
  readonly path?: string | readonly string[]
  readonly [option: string]: unknown
}

export async function openSource(server: S3Server, config: BucketConfig = {}): Promise<Source> {
  const where = { endpoint: server.endpoint, region: server.region, forcePathStyle: true }
  const declaration: SourceDeclaration = s3
  const checked = await configure(s3, { path: `s3://${BUCKET}/`, ...where, ...config })
  return declaration.create(checked, contextOf(s3))
}

export interface Reading {
  readonly lines: string[]
  readonly notes: string[]
  /** Inputs that failed, with `keepGoing`. */
  readonly failures: string[]
  /** After the chunks that were read: for the next reading. */
  readonly positions: Map<string, Json>
  error: SluiceError | undefined
}

export interface ReadingOptions extends Partial<Pick<ReadOptions, 'signal' | 'follow' | 'maxLine'>> {
  readonly positions?: ReadonlyMap<string, Json>
  readonly keepGoing?: boolean
  readonly onLines?: (lines: readonly string[]) => void | Promise<void>
}

/** Reads like a run: what was yielded is committed. Errors of other kinds are thrown. */
export async function readBucket(
  server: S3Server,
  config: BucketConfig = {},
  { positions = new Map<string, Json>(), keepGoing = false, onLines, ...options }: ReadingOptions = {},
): Promise<Reading> {
  const reading: Reading = { lines: [], notes: [], failures: [], positions: new Map(positions), error: undefined }
  const source = await openSource(server, config)
  const read = source.read(
    readOptions({
      ...options,
      position: (partition = '') => positions.get(partition),
      note: (message, facts) => void reading.notes.push(`${message} ${JSON.stringify(facts ?? {})}`),
      inputFailed({ input, error }) {
        if (!keepGoing) throw error
        reading.failures.push(`${input}: ${error.code}`)
      },
    }),
  )
  try {
    for await (const { bytes, partition = '', position } of read) {
      if (position !== undefined) {
        const copy: Json = JSON.parse(JSON.stringify(position))
        reading.positions.set(partition, copy)
      }
      const text = bytes?.toString() ?? ''
      reading.lines.push(...text.split('\n').filter((line) => line !== ''))
      if (bytes !== undefined) await onLines?.(reading.lines)
    }
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    reading.error = error
  }
  return reading
}

/** Lines of NDJSON, each different from those of another name. */
export function ndjson(name: string, count = 1): string {
  return Array.from({ length: count }, (_, at) => `{"of":"${name}","n":${at}}\n`).join('')
}

/** Values of `of`, in the order of the lines, each named once. */
export function namesOf(lines: readonly string[]): string[] {
  return [
    ...new Set(
      lines.map((line) => {
        const { of }: { readonly of: string } = JSON.parse(line)
        return of
      }),
    ),
  ]
}

/** A URL parameter of the lists that were requested. */
export function listsOf(server: S3Server, parameter: string): (string | undefined)[] {
  return server.requests
    .filter(({ operation }) => operation === 'ListObjectsV2')
    .map(({ query }) => query.find(([name]) => name === parameter)?.[1])
}
