import { SluiceError } from '../../errors.ts'
import type { RejectChoice } from './api.ts'
import { recordMistake } from './record-mistake.ts'

/**
 * The corrected records of a choice on one line each, by the id of their reject. Only white space outside of
 * strings is removed: the spelling stays.
 * @throws SluiceError USAGE with the place of the first mistake
 */
export function readCorrections({ corrections = [] }: RejectChoice): Map<string, string> {
  const records = new Map<string, string>()
  for (const { id, record } of corrections) {
    if (records.has(id)) throw new SluiceError('USAGE', `there are two corrections of ${id}`, { hint: 'leave one out' })
    const mistake = recordMistake(record)
    if (mistake !== undefined)
      throw new SluiceError('USAGE', `the correction of ${id}: ${mistake}`, { hint: 'a correction is one JSON object' })
    records.set(
      id,
      record.replaceAll(WHITE_SPACE, (_, text?: string) => text ?? ''),
    )
  }
  return records
}

/** A string, which stays, or white space. */
const WHITE_SPACE = /("[^"\\]*(?:\\.[^"\\]*)*")|[\t\n\r ]+/gs
