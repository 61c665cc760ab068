import { formatRejectId, isNewer, parseRejectId } from '../../delivery/rejects/reject-id.ts'
import type { RejectId } from '../../delivery/rejects/reject-id.ts'
import type { LocalReject } from '../../delivery/rejects/local-rejects-reader.ts'
import { recordOf } from '../../delivery/rejects/reject-line.ts'
import { reasonOf } from '../../inspect/describe-reject.ts'
import { parseSpelled, spelledLines } from '../../record/json/spelled.ts'
import type { RejectDetail, RejectPage, RejectQuery, RejectRow } from './api.ts'
import { findRejects, readRejects } from './find-rejects.ts'
import type { FoundInFile, FoundRejects } from './find-rejects.ts'

/** The state folder of a pipeline, and what is asked of its dead-letter queue. */
interface ListOptions {
  readonly folder: string
  readonly query: RejectQuery
}

/** A page of the dead-letter queue, the newest first. */
export function listRejects({ folder, query }: ListOptions): Promise<RejectPage> {
  const { after, before, limit = LIMIT, ...filter } = query
  return findRejects(folder, { filter }, (found) => pageOf(found, { after, before, limit }))
}

const LIMIT = 100

interface Place {
  readonly after: string | undefined
  readonly before: string | undefined
  readonly limit: number
}

function pageOf({ files, ...counts }: FoundRejects, place: Place): RejectPage {
  const matching = files.reduce((sum, { numbers }) => sum + numbers.length, 0)
  const { start, end } = rangeOf(files, matching, place)
  const rejects: RejectRow[] = []
  let newer = 0
  for (const found of files.toReversed()) {
    const count = found.numbers.length
    const chosen = found.numbers.slice(Math.max(0, count - (end - newer)), Math.max(0, count - (start - newer)))
    newer += count
    if (chosen.length === 0) continue
    for (const reject of readRejects(found.file, chosen.toReversed())) rejects.push(rowOf(reject, found))
  }
  const [first, last] = [rejects.at(0), rejects.at(-1)]
  return {
    ...counts,
    matching,
    rejects,
    ...(start > 0 && first && { previous: first.id }),
    ...(end < matching && last && { next: last.id }),
  }
}

/** The places of a page among the rejects that match, the newest of which has the place 0. */
function rangeOf(
  files: readonly FoundInFile[],
  matching: number,
  { after, before, limit }: Place,
): { readonly start: number; readonly end: number } {
  const older = after === undefined ? undefined : parseRejectId(after)
  const newer = before === undefined ? undefined : parseRejectId(before)
  const first = older === undefined ? 0 : matching - countOf(files, (id) => isNewer(older, id))
  if (newer === undefined) return { start: first, end: Math.min(matching, first + limit) }
  const end = Math.max(
    first,
    countOf(files, (id) => isNewer(id, newer)),
  )
  return { start: Math.max(first, end - limit), end }
}

function countOf(files: readonly FoundInFile[], isCounted: (id: RejectId) => boolean): number {
  let count = 0
  for (const { file, numbers } of files) for (const number of numbers) if (isCounted(file.idOf(number))) count++
  return count
}

function rowOf(reject: LocalReject, found: FoundInFile): RejectRow {
  const record = recordOf(reject.json)
  return { ...factsOf(reject, found), ...(record !== undefined && { excerpt: record.slice(0, EXCERPT) }) }
}

/** Characters of a record in a list. */
const EXCERPT = 300

function factsOf({ id, code, stage, detail, origin, line }: LocalReject, { timeOf }: FoundInFile): RejectRow {
  const rejectedAt = timeOf(id.epoch)
  const reason = reasonOf({ code, detail })
  return {
    id: formatRejectId(id),
    code,
    stage,
    ...(reason !== undefined && { reason }),
    origin,
    line,
    ...(rejectedAt !== undefined && { rejectedAt }),
  }
}

interface ReadOptions {
  /** The state folder of a pipeline. */
  readonly folder: string
  readonly id: string
  /** Also a line that did not parse, in which nothing is redacted. */
  readonly unparsed: boolean
}

/** One reject with its record; undefined if it is not in the queue any more. */
export function readReject({ folder, id, unparsed }: ReadOptions): Promise<RejectDetail | undefined> {
  return findRejects(folder, { ids: new Set([id]) }, ({ files }) => {
    for (const found of files) {
      if (found.numbers.length === 0) continue
      for (const reject of readRejects(found.file, found.numbers)) return detailOf(reject, found, unparsed)
    }
    return undefined
  })
}

interface Unparsed {
  readonly text?: string
  readonly base64?: string
  readonly length?: number
}

function detailOf(reject: LocalReject, found: FoundInFile, unparsed: boolean): RejectDetail {
  const record = recordOf(reject.json)
  if (record !== undefined)
    return {
      ...factsOf(reject, found),
      lines: spelledLines(parseSpelled(record)),
      hasLine: false,
      length: Buffer.byteLength(record),
    }
  const { text, base64, length }: Unparsed = JSON.parse(reject.json)
  const line = text ?? base64
  return {
    ...factsOf(reject, found),
    lines: [],
    hasLine: line !== undefined,
    ...(unparsed && line !== undefined && { unparsed: { text: line, isBase64: text === undefined } }),
    ...(length !== undefined && { length }),
  }
}
