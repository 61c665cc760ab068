import { basename, join } from 'node:path'
import { forgetCode } from '../../config/import-code.ts'
import { isWhole } from '../../config/pipeline-test.ts'
import type { CheckedPipeline } from '../../config/pipeline.ts'
import { SluiceError } from '../../errors.ts'
import { readInput } from '../../inspect/pipeline-tests.ts'
import { readSource as readBatches } from '../../inspect/preview.ts'
import { recordedRecords } from '../../inspect/whole/recorded-records.ts'
import { LINE_FEED } from '../../record/json/ascii.ts'
import { Paths } from '../../record/paths/path.ts'
import { loadText } from '../load-text.ts'
import type { TextPlace } from '../load-text.ts'

interface ReadOptions extends TextPlace {
  /** A file in place of the source: its absolute path, and the path of the records in a JSON document. */
  readonly file?: { readonly path: string; readonly records: string | undefined }
  /** Name of a test, whose input is read in place of the source. */
  readonly recording?: string
  /** Records at most. */
  readonly first: number
}

interface ReadRecords {
  /** NDJSON. */
  readonly bytes: Uint8Array
  /** There were more. */
  readonly isCut: boolean
}

/** The first records of a source, as they are before any transform. It is asked to stop when there are enough. */
export async function readSource(options: ReadOptions): Promise<ReadRecords> {
  const { recording, first } = options
  await forgetCode()
  if (recording !== undefined) return cut(await readRecording(options, recording), first)
  const pipeline = await loadSource(options)
  const reading = new AbortController()
  const parts: Buffer[] = []
  let left = first
  try {
    for await (const batch of readBatches(pipeline, new Paths(), reading.signal)) {
      for (let record = 0; record < batch.count; record++) {
        if (left-- === 0) return { bytes: Buffer.concat(parts), isCut: true }
        parts.push(Buffer.from(batch.line(record)), NEW_LINE)
      }
    }
  } finally {
    reading.abort()
  }
  return { bytes: Buffer.concat(parts), isCut: false }
}

function loadSource({ file, ...place }: ReadOptions): Promise<CheckedPipeline> {
  return loadText(place, {
    mode: 'run',
    parts: ['source'],
    ...(file && {
      source: {
        type: 'file',
        config: { path: file.path, ...(file.records !== undefined && { records: [file.records] }) },
        inherits: file.records === undefined ? { file: ['records', 'keyAs'], s3: ['records', 'keyAs'] } : {},
      },
    }),
  })
}

async function readRecording(place: ReadOptions, recording: string): Promise<Buffer> {
  const { tests, folder, file } = await loadText(place, { mode: 'test' })
  const test = tests.find((one) => one.name === recording)
  if (test === undefined)
    throw new SluiceError('USAGE', `the pipeline has no test ${JSON.stringify(recording)}`, {
      hint: tests.length === 0 ? 'it has no tests' : `tests: ${tests.map((one) => one.name).join(', ')}`,
    })
  return isWhole(test)
    ? recordedRecords({ pipeline: join(folder, basename(file)), text: place.text, test })
    : readInput(test)
}

function cut(bytes: Buffer, first: number): ReadRecords {
  let end = 0
  for (let left = first; left > 0 && end < bytes.length; left--) {
    const next = bytes.indexOf(LINE_FEED, end)
    end = next < 0 ? bytes.length : next + 1
  }
  return { bytes: bytes.subarray(0, end), isCut: end < bytes.length }
}

const NEW_LINE = Buffer.of(LINE_FEED)
