import { formatRejectId } from '../../delivery/rejects/reject-id.ts'
import type { LocalReject } from '../../delivery/rejects/local-rejects-reader.ts'
import { recordOf } from '../../delivery/rejects/reject-line.ts'
import type { RejectChoice } from './api.ts'
import { readCorrections } from './corrections.ts'
import { findRejects, readRejects } from './find-rejects.ts'

/** A reject of a choice, and the record that is to be replayed. */
export interface ChosenReject {
  readonly id: string
  readonly reject: LocalReject
  /** Its correction, or what is stored; undefined if it has no record. */
  readonly record: string | undefined
  readonly isCorrected: boolean
}

/**
 * Hands the rejects of a choice to `use`, the oldest first. Those that are not in the queue any more are left out.
 * @throws SluiceError USAGE for a correction that is no record; STATE_NOT_FOUND
 */
export function chooseRejects<Result>(
  folder: string,
  choice: RejectChoice,
  use: (chosen: Iterable<ChosenReject>) => Promise<Result>,
): Promise<Result> {
  const corrections = readCorrections(choice)
  const ids = new Set([...(choice.ids ?? []), ...corrections.keys()])
  return findRejects(folder, { filter: choice.filter, ids }, ({ files }) => {
    function* chosen(): Generator<ChosenReject, void> {
      for (const { file, numbers } of files) {
        if (numbers.length === 0) continue
        for (const reject of readRejects(file, numbers)) {
          const id = formatRejectId(reject.id)
          const correction = corrections.get(id)
          yield { id, reject, record: correction ?? recordOf(reject.json), isCorrected: correction !== undefined }
        }
      }
    }
    return use(chosen())
  })
}
