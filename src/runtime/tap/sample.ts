import type { CheckedPipeline } from '../../config/pipeline.ts'
import { RecordState } from '../../record/batch.ts'
import type { Batch } from '../../record/batch.ts'
import { openBatches } from '../../record/open-batches.ts'
import { Paths } from '../../record/paths/path.ts'

/** What a sample of a batch has found. */
interface Sampled {
  /** Matching records, as JSON text: the exact bytes. */
  readonly records: readonly string[]
  /** Live records that were tested. */
  readonly looked: number
  /** Live records that were not: the batch has too many, or is too large. */
  readonly skipped: number
  /** Of those looked at: the expression has no result. */
  readonly failed: number
  /** Why, for the last of them; without content. */
  readonly fault?: string | undefined
}

/** Takes the first matching records of a batch. `most`: no more are wanted. */
export type Sample = (batch: Batch, most: number) => Sampled

/**
 * Tests a part of each batch on a copy, in an index of its own: the paths of the expression are not those
 * of the pipeline, and the batch stays as it is.
 * @param where a CEL expression over `record`; without one, every record matches
 * @throws SluiceError EXPRESSION_INVALID
 */
export async function sampler(where: string | undefined, { limits }: Pick<CheckedPipeline, 'limits'>): Promise<Sample> {
  const paths = new Paths()
  const holds = where === undefined ? undefined : await conditionOf(where, paths)
  return (batch, most) => {
    const chosen = choose(batch, holds === undefined ? Math.min(most, MOST_RECORDS) : MOST_RECORDS)
    const bytes = batch.assemble(chosen, (size) => Buffer.allocUnsafeSlow(size))
    if (holds === undefined)
      return { records: linesOf(bytes), looked: chosen.length, skipped: batch.live - chosen.length, failed: 0 }
    const records: string[] = []
    let [looked, failed] = [0, 0]
    let fault: string | undefined
    for (const copy of openBatches({ bytes }, { partition: '', number: 0, paths, limits })) {
      for (let record = 0; record < copy.count && records.length < most; record++) {
        looked++
        if (copy.states[record] !== RecordState.live) continue
        const result = holds(copy, record)
        if (result === true) records.push(copy.line(record).toString())
        if (typeof result === 'boolean') continue
        failed++
        fault = result.message
      }
    }
    return { records, looked, skipped: batch.live - looked, failed, fault }
  }
}

async function conditionOf(where: string, paths: Paths) {
  // Few pipelines have an expression.
  const { compileExpression } = await import('../../fields/expression/expression.ts')
  const expression = compileExpression(where)
  const mistake = expression.mistake('condition')
  if (mistake) throw mistake
  return expression.condition(paths)
}

/** The first live records, as many as may be looked at. */
function choose(batch: Batch, most: number): number[] {
  const chosen: number[] = []
  let bytes = 0
  for (let record = 0; record < batch.count && chosen.length < most; record++) {
    if (batch.states[record] !== RecordState.live) continue
    bytes += batch.longest(record)
    // One record is always looked at, however long it is.
    if (bytes > MOST_BYTES && chosen.length > 0) break
    chosen.push(record)
  }
  return chosen
}

function linesOf(bytes: Buffer): string[] {
  return bytes.length === 0 ? [] : bytes.toString('utf8', 0, bytes.length - 1).split('\n')
}

/** Of a batch, which has 512 KiB: together less than a millisecond. */
const MOST_RECORDS = 200
const MOST_BYTES = 128 << 10
