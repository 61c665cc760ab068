import { formatRejectId } from '../../delivery/rejects/reject-id.ts'
import type { LocalReject } from '../../delivery/rejects/local-rejects-reader.ts'
import { recordOf } from '../../delivery/rejects/reject-line.ts'
import { SluiceError } from '../../errors.ts'
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
 * @throws SluiceError USAGE for a correction that is no record, or has a placeholder; STATE_NOT_FOUND
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
          const stored = recordOf(reject.json)
          if (correction !== undefined && placeholdersIn(correction) > placeholdersIn(stored ?? ''))
            throw hasPlaceholder(id)
          yield { id, reject, record: correction ?? stored, isCorrected: correction !== undefined }
        }
      }
    }
    return use(chosen())
  })
}

/** What stands for a secret in everything that is shown: written back, it would replace the value. */
function placeholdersIn(text: string): number {
  return text.split('***').length - 1
}

function hasPlaceholder(id: string): SluiceError {
  return new SluiceError('USAGE', `the correction of ${id} has ***, which stands for a secret that is not shown`, {
    hint: 'correct it with `sluice rejects show --json` and `sluice rejects replay --file`, where the record has its values',
  })
}
