import type { JsonObject } from '../../../src/record/json/json.ts'

/** Records with the same members as CSV. */
export function stringify(records: readonly JsonObject[], { header = true } = {}): string {
  const [first = {}] = records
  const rows = records.map((record) => Object.values(record).map(quote).join(','))
  return [...(header ? [Object.keys(first).join(',')] : []), ...rows].map((row) => `${row}\n`).join('')
}

function quote(value: unknown): string {
  return `"${String(value).replaceAll('"', '""')}"`
}
