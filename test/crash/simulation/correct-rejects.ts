import type { JsonObject } from '../../../src/record/json/json.ts'
import { DAY, START } from './workload.ts'
import type { Workload } from './workload.ts'

/** The workload, read to its end, and then all of its rejects that somebody has mended. */
export function mending(workload: Workload): Workload {
  const { written, rejected } = workload.expected
  const ofFate = (fate: Fate) => rejected.filter((id) => fateOf(id, workload) === fate)
  const again = ofFate('refused again').map((id) => `${id}${AGAIN}`)
  return {
    ...workload,
    name: `rejects of ${workload.name}, mended`,
    mends: true,
    expected: {
      written: [...written, ...ofFate('written').map((id) => `mended ${id}`)],
      rejected: [...rejected, ...again],
      kept: [...ofFate('left'), ...again],
    },
  }
}

/** What is made of the reject that has this id; undefined where it is left. */
export function mend(id: string, workload: Workload): JsonObject | undefined {
  const event = { id: `mended ${id}`, timestamp: new Date(LAST_DAY).toISOString(), kind: 'login' }
  const fate = id.endsWith(AGAIN) ? 'left' : fateOf(id, workload)
  if (fate === 'left') return undefined
  if (fate === 'dropped') return { ...event, kind: 'noise' }
  if (fate === 'refused again') return { ...event, id: `${id}${AGAIN}`, kind: 'bad' }
  return fate === 'duplicate' ? { ...event, id: 'a-5-0' } : event
}

const FATES = ['written', 'dropped', 'written', 'refused again', 'duplicate', 'left'] as const
type Fate = (typeof FATES)[number]

const AGAIN = ' again'
/** That of `a-5-0`, which is written, and whose claim is not forgotten at the end. */
const LAST_DAY = START + 5 * DAY

function fateOf(id: string, { dedup }: Workload): Fate {
  const sum = Buffer.from(id).reduce((total, byte) => total + byte, 0)
  const fate = FATES[sum % FATES.length]
  return fate === 'duplicate' && !dedup ? 'written' : fate
}
