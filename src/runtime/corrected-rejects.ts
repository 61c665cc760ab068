import { createReadStream } from 'node:fs'
import { parseRejectId } from '../delivery/rejects/reject-id.ts'
import type { RejectId } from '../delivery/rejects/reject-id.ts'
import { RecordState } from '../record/batch.ts'
import type { Batch } from '../record/batch.ts'
import { openBatches } from '../record/open-batches.ts'
import { LineSplitter } from '../record/lines/line-splitter.ts'
import { Paths } from '../record/paths/path.ts'
import type { Path } from '../record/paths/path.ts'
import type { LineChunk } from '../record/lines/splitter.ts'
import { ValueKind } from '../record/scan.ts'
import type { ScanLimits } from '../record/scan.ts'
import { fileError } from '../sources/file/file-error.ts'

/**
 * A line of a file of corrected rejects: output of `sluice rejects show --json`, of which only `id`
 * and `record` are read.
 */
export interface CorrectedReject {
  readonly id: RejectId
  /** The bytes of `record`, as they are in the file. */
  readonly record: Buffer
}

/**
 * Reads files of corrected rejects, line by line.
 * @param onProblem called for each line that is not a corrected reject; the line is then skipped.
 * @throws SluiceError FILE_NOT_FOUND
 */
export async function* readCorrected(
  files: readonly string[],
  limits: ScanLimits,
  onProblem: (place: string, problem: string) => void,
): AsyncGenerator<CorrectedReject & { readonly place: string }> {
  const paths = new Paths()
  const fields = { id: paths.add('id'), record: paths.add('record') }
  const lineLimits = { maxDepth: limits.maxDepth + 1, maxLine: limits.maxLine + OTHER_FIELDS_BYTES }
  for (const file of files) {
    for await (const { bytes, line, skipped } of readLines(file, lineLimits.maxLine)) {
      const chunk = { bytes, skipped, origin: { name: file, line } }
      for (const batch of openBatches(chunk, { partition: '', number: 0, paths, limits: lineLimits })) {
        for (const reject of batch.rejects) onProblem(`${file}:${reject.line}`, `the line is ${reject.code}`)
        for (let record = 0; record < batch.count; record++) {
          if (batch.states[record] !== RecordState.live) continue
          const place = `${file}:${batch.lineOf(record)}`
          const corrected = parseLine(batch, record, fields, limits)
          if (typeof corrected === 'string') onProblem(place, corrected)
          else yield { ...corrected, place }
        }
      }
    }
  }
}

/** Limit for the fields of a reject besides its record. */
const OTHER_FIELDS_BYTES = 64 << 10

async function* readLines(file: string, maxLine: number): AsyncGenerator<LineChunk> {
  const splitter = new LineSplitter({ maxLine })
  const chunks: AsyncIterable<Buffer> = createReadStream(file)
  try {
    for await (const chunk of chunks) yield* splitter.push(chunk)
  } catch (error) {
    throw fileError(error, file)
  }
  yield* splitter.end()
}

/** Returns the problem as text if the line is not a corrected reject. */
function parseLine(
  batch: Batch,
  at: number,
  fields: { readonly id: Path; readonly record: Path },
  limits: ScanLimits,
): CorrectedReject | string {
  const [idHit, recordHit] = [batch.hit(at, fields.id), batch.hit(at, fields.record)]
  const id = idHit < 0 ? undefined : parseRejectId(batch.text(idHit))
  if (!id) return 'the line has no reject id'
  if (recordHit < 0 || batch.kind(recordHit) !== ValueKind.object) return '`record` is not an object'
  const record = Buffer.from(batch.raw(recordHit))
  const options = { partition: '', number: 0, paths: new Paths(), limits }
  const [fault] = openBatches({ bytes: record }, options).flatMap(({ rejects }) => rejects)
  return fault ? `\`record\` is ${fault.code}` : { id, record }
}
