import type { Outcome, Record } from 'sluice'

/** Marks events of failed actions. Called once for each record. */
export default function markFailures(record: Record): Outcome {
  return record.get('success') === false ? record.set('failed', true) : record
}
