import { readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { defineSource } from '../../component.ts'
import type { SourceDeclaration } from '../../component.ts'
import type { CheckedComponent, PipelineTest } from '../../config/pipeline.ts'
import { wholeInputOf } from '../../config/pipeline-test.ts'
import { mapPaths } from '../../config/map-paths.ts'
import { SluiceError } from '../../errors.ts'
import { readSettings } from '../../sources/s3/check.ts'
import { fields as s3Fields } from '../../sources/s3/fields.ts'
import type { Clock } from '../../clock.ts'
import { belowInput } from './input-files.ts'
import { textOf } from './input-content.ts'

type CheckedSource = CheckedComponent<SourceDeclaration>

interface StandInOptions {
  readonly test: PipelineTest
  readonly clock: Clock
  /** The folder with the files of the test. */
  readonly folder: string
  readonly halt: { readonly page: number; readonly isInside: boolean } | undefined
  /** Called at the place of the interruption, if the input decides where that is. The input then waits. */
  readonly halted: () => void
}

/**
 * Runs the source over the input of a test: over files and objects with its own code, over records
 * without it. Pages come by `ReadOptions.exchange`.
 */
export function withInput(source: CheckedSource, options: StandInOptions): CheckedSource {
  const input = wholeInputOf(options.test)
  if (input === 'files') return withFiles(source, options)
  if (input === 'objects') return withObjects(source, options)
  return input === 'records' ? ofRecords(source, options) : source
}

/** It reads below the folder what it would read in the file system. */
function withFiles(source: CheckedSource, { folder }: StandInOptions): CheckedSource {
  const { declaration, config } = source
  // Tests may give standard input any names.
  const below = (path: string): string => join(folder, path === '-' ? '' : belowInput(path))
  return { ...source, config: mapPaths(declaration.fields, config, below) }
}

/** The s3 source, whose client gets its responses from the objects of the test. */
function withObjects(source: CheckedSource, { test, clock, halt, halted }: StandInOptions): CheckedSource {
  const { repeats, summary, type } = source.declaration
  const declaration = defineSource({
    type,
    summary,
    repeats,
    fields: s3Fields,
    async create(config) {
      const { openS3Source } = await import('../../sources/s3/open.ts')
      const { clientOf, objectsOf } = await import('./object-store.ts')
      const objects = await objectsOf(test)
      const cutAt = halt?.isInside === true ? halt.page : undefined
      return openS3Source(config, readSettings(config, clock.now()), async ({ endpoint, timeout }, { bucket }) => ({
        client: clientOf({ objects, clock, cutAt, cut: halted }),
        // The ARN of an access point is no part of a path.
        bucket: bucket.split(/[/:]/).at(-1) ?? bucket,
        endpoint,
        expectedBucketOwner: undefined,
        requesterPays: false,
        timeout,
      }))
    },
  })
  return { ...source, declaration }
}

/** A source of the records, in one chunk. Its position is the number of records before it. */
function ofRecords(source: CheckedSource, { test, halt, halted }: StandInOptions): CheckedSource {
  const { type, summary, repeats, fields } = source.declaration
  const declaration = defineSource({
    type,
    summary,
    repeats,
    fields,
    create: async () => {
      const lines = await recordsOf(test)
      const end = halt?.page ?? lines.length
      if (end > lines.length)
        throw new SluiceError('CONFIG_INVALID', `restartAfter is ${end}, but the test has ${lines.length} records`, {
          hint: `use 1 to ${lines.length}`,
        })
      return {
        async *read({ position, signal }) {
          const saved = position()
          const from = typeof saved === 'number' ? saved : 0
          const bytes = Buffer.from(lines.slice(from, end).join(''))
          if (bytes.length > 0) yield { bytes, position: end, origin: { name: 'records', line: from + 1 } }
          if (halt === undefined) return
          halted()
          await new Promise((ended) => signal.addEventListener('abort', ended, { once: true }))
        },
      }
    },
  })
  return { ...source, declaration }
}

async function recordsOf({ records = [], path }: PipelineTest): Promise<string[]> {
  if (!('file' in records)) return records.map((record) => textOf([record]))
  const text = await readFile(resolve(dirname(path), records.file), 'utf8')
  return text.split(/(?<=\n)/)
}
