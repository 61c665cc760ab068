import type { Outcome, Record } from 'sluice'

/**
 * Makes one record for each change of an event, so that each can be searched by its field. Drops
 * failed attempts: they changed nothing.
 */
export default function splitChanges(record: Record): Outcome {
  if (!record.has('changes')) return record
  if (record.get('success') === false) return null
  // Unchanged members of `record.value` keep their bytes in the output. A value from `get` is a
  // copy.
  const { changes } = record.value
  return Array.isArray(changes) ? changes.map((change) => ({ ...record.value, changes: [change] })) : record
}
