import { parseTestTime } from '../../config/pipeline-test.ts'
import { whyUntestable } from '../../config/testable.ts'
import { SluiceError } from '../../errors.ts'
import { runAttempt } from './attempt.ts'
import { writeInput } from './input-files.ts'
import { loadForTest } from './load-test.ts'
import type { TestPlace } from './load-test.ts'
import { foldersIn, inTestFolder } from './stand-ins.ts'

/**
 * The records that the source of a pipeline reads in a test of the whole pipeline: from its pages, files,
 * objects or records.
 * @throws SluiceError CONFIG_INVALID, and those of the source
 */
export async function recordedRecords(place: TestPlace): Promise<Buffer> {
  const { test } = place
  const pipeline = await loadForTest(place, ['source'])
  const unfit = whyUntestable(pipeline, { ...test, restartAfter: undefined, restartIn: undefined, expect: undefined })
  if (unfit) throw new SluiceError('CONFIG_INVALID', unfit.message, { hint: unfit.hint })
  return inTestFolder(async (folder) => {
    const folders = foldersIn(folder)
    if (test.files) await writeInput(test, folders.input)
    const startAt = parseTestTime(test.now ?? '')
    const { lines, error, problem } = await runAttempt({ pipeline, test, folders, startAt, served: [] })
    if (lines.length > 0 || (error === undefined && problem === undefined)) return lines
    throw new SluiceError('SOURCE_FAILED', error?.message ?? problem ?? 'the source has failed')
  })
}
