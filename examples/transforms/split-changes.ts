import type { Outcome, Record } from 'sluice'

/** One record for each change of an event, so that each can be searched by its field. A failed attempt has changed nothing: it is dropped. */
export default function splitChanges(record: Record): Outcome {
  if (!record.has('changes')) return record
  if (record.get('success') === false) return null
  // Parts of `record.value` that come back as they are keep their bytes; what `get` gives is a copy.
  const { changes } = record.value
  return Array.isArray(changes) ? changes.map((change) => ({ ...record.value, changes: [change] })) : record
}
