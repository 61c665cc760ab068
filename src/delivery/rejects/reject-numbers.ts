/*
 * How the rejects of a file are numbered: through all epochs of the file, from 0, in order. A reject keeps its
 * number when other lines are removed from the file, so the bits of `replayed` stay valid.
 */
import type { LocalRejectsRow, RejectsPart } from '../state/rows.ts'
import type { RejectId } from './reject-id.ts'

/** The epochs whose rejects are in a file. */
export function partsOf({ epoch, records, committedAt, parts }: LocalRejectsRow): readonly RejectsPart[] {
  return parts ?? [{ epoch, records, ...(committedAt !== undefined && { committedAt }) }]
}

/** The last epoch whose rejects are in a file. */
export function lastEpochOf(row: LocalRejectsRow): number {
  return partsOf(row).at(-1)?.epoch ?? row.epoch
}

/** Number of rejects of a row that were not replayed. */
export function remaining({ records, replayed }: LocalRejectsRow): number {
  return records - (replayed?.records ?? 0)
}

/** Returns a predicate: is this reject in the file, and not replayed yet? */
export function isPending(row: LocalRejectsRow): (id: RejectId) => boolean {
  const bits = Buffer.from(row.replayed?.bits ?? '', 'base64')
  const firsts = firstNumbers(row)
  return ({ epoch, at }) => {
    const part = firsts.get(epoch)
    if (part === undefined || at >= part.records) return false
    const number = part.first + at
    return ((bits[number >> 3] ?? 0) & (1 << (number & 7))) === 0
  }
}

/** Marks rejects as replayed: their numbers in their epochs, by epoch. Returns the row itself if it has none of them. */
export function markReplayed(
  row: LocalRejectsRow,
  replayed: ReadonlyMap<number, ReadonlySet<number>>,
): LocalRejectsRow {
  const last = lastEpochOf(row)
  const own = [...replayed].filter(([epoch]) => epoch >= row.epoch && epoch <= last)
  if (own.length === 0) return row
  const firsts = firstNumbers(row)
  const numbers = own.flatMap(([epoch, ats]) => {
    const first = firsts.get(epoch)?.first
    return first === undefined ? [] : [...ats].map((at) => first + at)
  })
  const bits = Buffer.alloc(Math.ceil(row.records / 8))
  bits.set(Buffer.from(row.replayed?.bits ?? '', 'base64'))
  for (const number of numbers) bits[number >> 3] |= 1 << (number & 7)
  return { ...row, replayed: { records: (row.replayed?.records ?? 0) + numbers.length, bits: bits.toString('base64') } }
}

/** The marks of several files that become one. */
export function joinReplayed(rows: readonly LocalRejectsRow[]): LocalRejectsRow['replayed'] {
  const records = rows.reduce((sum, row) => sum + (row.replayed?.records ?? 0), 0)
  if (records === 0) return undefined
  const bits = Buffer.alloc(Math.ceil(rows.reduce((sum, row) => sum + row.records, 0) / 8))
  let first = 0
  for (const row of rows) {
    const own = Buffer.from(row.replayed?.bits ?? '', 'base64')
    for (let number = 0; number < row.records; number++) {
      if (((own[number >> 3] ?? 0) & (1 << (number & 7))) === 0) continue
      bits[(first + number) >> 3] |= 1 << ((first + number) & 7)
    }
    first += row.records
  }
  return { records, bits: bits.toString('base64') }
}

/** The number of the first reject of each epoch. */
function firstNumbers(row: LocalRejectsRow): Map<number, { readonly first: number; readonly records: number }> {
  const firsts = new Map<number, { readonly first: number; readonly records: number }>()
  let first = 0
  for (const { epoch, records } of partsOf(row)) {
    firsts.set(epoch, { first, records })
    first += records
  }
  return firsts
}
