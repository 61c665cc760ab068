import { createHash } from 'node:crypto'
import { badRequest } from './http-error.ts'
import type { Organization } from './organization.ts'
import type { Query } from './query.ts'
import type { Position } from './select.ts'

/**
 * The JSON text of a cursor, such as `[1709575286343344417,"MTIuMS5…"]`: the instant in
 * nanoseconds, with its last two digits replaced so that they are not both zero. A double cannot
 * represent such a number, so a client that parses and prints it is refused. Before any event: the
 * start of the query.
 */
export function writeCursor(organization: Organization, query: Query, position: Position | undefined): string {
  const at = position ?? BEFORE_ALL
  const instant = position === undefined ? query.start : organization.events.instant(position.index)
  const number = instant - (instant % 100n) + BigInt(((at.index + 99) % 99) + 1)
  const plain = `${at.index}.${at.copies}`
  const token = Buffer.from(`${plain}.${seal(organization, query, `${number} ${plain}`)}`).toString('base64url')
  return `[${number},"${token}"]`
}

/** The position of a query's cursor. Throws 400 if the cursor does not belong to this query. */
export function readCursor(organization: Organization, query: Query): Position | undefined {
  if (query.searchAfter === undefined) return undefined
  const { number, token } = query.searchAfter
  const [index, copies] = Buffer.from(token, 'base64url').toString().split('.').map(Number)
  const known = Number.isInteger(index) && index < organization.events.count && index >= BEFORE_ALL.index
  const position = known && index >= 0 ? { index, copies } : undefined
  if (!known || writeCursor(organization, query, position) !== `[${number},"${token}"]`)
    throw badRequest('search_after does not belong to this query')
  return position
}

const BEFORE_ALL: Position = { index: -1, copies: 0 }

/** Stateless, and stable across restarts with the same seed. Detects mistakes, not attacks. */
function seal(organization: Organization, query: Query, place: string): string {
  const text = JSON.stringify([organization.id, query.fingerprint, place])
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}
