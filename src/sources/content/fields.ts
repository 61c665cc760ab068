import { Type } from '../../fields/typebox.ts'
import { Choice, RecordsPath } from '../../fields/fields.ts'

const recordsField = {
  description:
    'Path to the array of records in each document: `Records`, `data.events`. ' +
    'Also a path to the records themselves (`pages[*].items[*]`, `accounts.*`), or a list of paths. ' +
    'A file or object may hold several documents, also one per line. `$`: it holds the records, not documents around them.',
}

/** How the content of files and objects is read. */
export const contentFields = {
  format: Choice(['auto', 'ndjson', 'array'], {
    description:
      '`ndjson`: one record per line; the last line needs no line feed. `array`: JSON arrays, or objects in sequence; pretty-printed or not. ' +
      '`auto` detects the format from the first bytes.',
    default: 'auto',
  }),
  records: Type.Union([RecordsPath(recordsField), Type.Array(RecordsPath(recordsField), { minItems: 1 })], {
    ...recordsField,
    default: '$',
  }),
  keyAs: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'Member that each record gets, with the key that `records` leaves open: with `accounts.*.events[*]`, the key of the account. ' +
        'A record that already has the member is rejected.',
    }),
  ),
}
