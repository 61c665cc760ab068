import type { Outcome, Record } from 'sluice'

/** One record for each change of an event, so that each can be searched by its field. A failed attempt has changed nothing: it is dropped. */
export default function splitChanges(record: Record): Outcome {
  const changes = record.get('changes')
  if (!Array.isArray(changes)) return record
  if (record.get('success') === false) return null
  return changes.length < 2 ? record : changes.map((change) => ({ ...record.value, changes: [change] }))
}
