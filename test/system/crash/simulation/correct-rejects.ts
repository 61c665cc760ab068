import type { JsonObject } from '../../../../src/record/json/json.ts'
import { START } from './workload.ts'
import { DAY } from '../../../../src/time.ts'
import type { Workload } from './workload.ts'

/** The workload whose rejects are corrected and replayed after the source was read. */
export function correctingRejects(workload: Workload): Workload {
  const { written, rejected } = workload.expected
  const ofFate = (fate: Fate) => rejected.filter((id) => fateOf(id, workload) === fate)
  const again = ofFate('rejected again').map((id) => `${id}${AGAIN}`)
  return {
    ...workload,
    name: `corrected rejects of ${workload.name}`,
    replaysRejects: true,
    expected: {
      written: [...written, ...ofFate('written').map((id) => `corrected ${id}`)],
      rejected: [...rejected, ...again],
      localRejects: [...ofFate('not replayed'), ...again],
    },
  }
}

/** The corrected record of a reject; undefined if the reject is not replayed. */
export function correctedRecord(id: string, workload: Workload): JsonObject | undefined {
  const event = { id: `corrected ${id}`, timestamp: new Date(LAST_DAY).toISOString(), kind: 'login' }
  const fate = id.endsWith(AGAIN) ? 'not replayed' : fateOf(id, workload)
  if (fate === 'not replayed') return undefined
  if (fate === 'dropped') return { ...event, kind: 'noise' }
  if (fate === 'rejected again') return { ...event, id: `${id}${AGAIN}`, kind: 'bad' }
  return fate === 'duplicate' ? { ...event, id: 'a-5-0' } : event
}

const FATES = ['written', 'dropped', 'written', 'rejected again', 'duplicate', 'not replayed'] as const
type Fate = (typeof FATES)[number]

const AGAIN = ' again'
/** The day of `a-5-0`, which is written, and whose dedup key does not expire. */
const LAST_DAY = START + 5 * DAY

function fateOf(id: string, { dedup }: Workload): Fate {
  const sum = Buffer.from(id).reduce((total, byte) => total + byte, 0)
  const fate = FATES[sum % FATES.length]
  return fate === 'duplicate' && !dedup ? 'written' : fate
}
