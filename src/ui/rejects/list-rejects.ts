import { formatRejectId, parseRejectId } from '../../delivery/rejects/reject-id.ts'
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
  const { after, limit = LIMIT, ...filter } = query
  return findRejects(folder, { filter }, (found) => pageOf(found, { after, limit }))
}

const LIMIT = 100

function pageOf(
  { files, ...counts }: FoundRejects,
  { after, limit }: { readonly after: string | undefined; readonly limit: number },
): RejectPage {
  const rejects: RejectRow[] = []
  let hasMore = false
  for (const found of files.toReversed()) {
    const older = after === undefined ? found.numbers : olderThan(after, found)
    const chosen = older.toReversed().slice(0, limit - rejects.length)
    if (chosen.length < older.length) hasMore = true
    if (chosen.length === 0) continue
    for (const reject of readRejects(found.file, chosen)) rejects.push(rowOf(reject, found))
  }
  const last = rejects.at(-1)
  return {
    ...counts,
    groups: [...counts.groups],
    matching: files.reduce((sum, { numbers }) => sum + numbers.length, 0),
    rejects,
    ...(hasMore && last && { next: last.id }),
  }
}

function olderThan(after: string, { file, numbers }: FoundInFile): readonly number[] {
  const last = parseRejectId(after)
  if (!last) return numbers
  return numbers.filter((number) => {
    const { epoch, at } = file.idOf(number)
    return epoch < last.epoch || (epoch === last.epoch && at < last.at)
  })
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
