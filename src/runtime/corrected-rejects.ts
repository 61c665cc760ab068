import { createReadStream } from 'node:fs'
import { parseRejectId } from '../delivery/rejects/reject-id.ts'
import { RecordState } from '../record/batch.ts'
import type { Batch, RejectId } from '../record/batch.ts'
import { openBatches } from '../record/open-batches.ts'
import { LineSplitter } from '../record/lines/line-splitter.ts'
import { Paths } from '../record/paths/path.ts'
import type { Path } from '../record/paths/path.ts'
import type { LineChunk } from '../record/lines/splitter.ts'
import { ValueKind } from '../record/scan.ts'
import type { ScanLimits } from '../record/scan.ts'
import { fileError } from '../sources/file/file-error.ts'

/**
 * A line of a file of mended rejects: what `sluice rejects show --json` prints, of which `id` and
 * `record` count.
 */
export interface Mended {
  readonly id: RejectId
  /** Its bytes as they stand there. */
  readonly record: Buffer
}

/**
 * Reads such files; `refuse` hears of lines that are none, which are left out. @throws SluiceError
 * FILE_NOT_FOUND
 */
export async function* readCorrected(
  files: readonly string[],
  limits: ScanLimits,
  refuse: (place: string, why: string) => void,
): AsyncGenerator<Mended & { readonly place: string }> {
  const paths = new Paths()
  const fields = { id: paths.add('id'), record: paths.add('record') }
  const around = { maxDepth: limits.maxDepth + 1, maxLine: limits.maxLine + FACTS_BYTES }
  for (const file of files) {
    for await (const { bytes, line, skipped } of runsOf(file, around.maxLine)) {
      const chunk = { bytes, skipped, origin: { name: file, line } }
      for (const batch of openBatches(chunk, { partition: '', number: 0, paths, limits: around })) {
        for (const reject of batch.rejects) refuse(`${file}:${reject.line}`, `it is ${reject.code}`)
        for (let record = 0; record < batch.count; record++) {
          if (batch.states[record] !== RecordState.live) continue
          const place = `${file}:${batch.lineOf(record)}`
          const mended = readLine(batch, record, fields, limits)
          if (typeof mended === 'string') refuse(place, mended)
          else yield { ...mended, place }
        }
      }
    }
  }
}

/** More than a reject has beside its record. */
const FACTS_BYTES = 64 << 10

async function* runsOf(file: string, maxLine: number): AsyncGenerator<LineChunk> {
  const framer = new LineSplitter({ maxLine })
  const chunks: AsyncIterable<Buffer> = createReadStream(file)
  try {
    for await (const chunk of chunks) yield* framer.push(chunk)
  } catch (error) {
    throw fileError(error, file)
  }
  yield* framer.end()
}

/** Or what is wrong with it. */
function readLine(
  batch: Batch,
  at: number,
  fields: { readonly id: Path; readonly record: Path },
  limits: ScanLimits,
): Mended | string {
  const [idHit, recordHit] = [batch.hit(at, fields.id), batch.hit(at, fields.record)]
  const id = idHit < 0 ? undefined : parseRejectId(batch.text(idHit))
  if (!id) return 'it has no id of a reject'
  if (recordHit < 0 || batch.kind(recordHit) !== ValueKind.object) return 'its record is not an object'
  const record = Buffer.from(batch.raw(recordHit))
  const options = { partition: '', number: 0, paths: new Paths(), limits }
  const [fault] = openBatches({ bytes: record }, options).flatMap(({ rejects }) => rejects)
  return fault ? `its record is ${fault.code}` : { id, record }
}
