import { SluiceError } from '../../../errors.ts'
import type { LineChunk } from '../../../record/lines/splitter.ts'
import { parseRecordsPath } from '../../../record/documents/records-path.ts'
import { SECOND } from '../../../time.ts'
import type { ApiResponse } from '../client.ts'
import type { HttpOptions } from '../options.ts'
import { openBody } from '../transport/body.ts'
import type { Body } from '../transport/body.ts'
import type { Deadline } from '../transport/deadline.ts'
import { headerText } from '../transport/json-values.ts'
import { invalidResponse } from '../transport/response-error.ts'
import { ResponseStart } from './api-error.ts'
import { EnvelopeSplitter } from './envelope-splitter.ts'
import { NdjsonSplitter } from './ndjson-splitter.ts'
import { firstCharacter } from './page-splitter.ts'
import type { PageSplitter } from './page-splitter.ts'
import { pathsOf } from './paginate.ts'
import { RootArraySplitter } from './root-array-splitter.ts'

export interface PageOptions {
  readonly options: HttpOptions
  readonly maxLine: number
  readonly deadline: Deadline
  /** Texts to hide when an error of the API is quoted. */
  readonly secrets: readonly string[]
}

/** A response that is being read. */
export interface Page {
  /** Ends only after a complete response; otherwise throws SOURCE_UNAVAILABLE. */
  readonly chunks: AsyncIterable<LineChunk>
  readonly splitter: PageSplitter
  /** Bytes received so far, as compressed. */
  wireBytes(): number
}

/** Reads a response as records. */
export function openPage(response: ApiResponse, pageOptions: PageOptions): Page {
  const { options, maxLine } = pageOptions
  const type = headerText(response.headers['content-type']) ?? ''
  const empty = response.status === 204
  const encoding = empty ? undefined : headerText(response.headers['content-encoding'])
  const body = openBody(response.body, encoding, options.maxBody)
  const splitter = empty ? new NdjsonSplitter(maxLine) : chooseSplitter(type, options, maxLine)
  return {
    chunks: split(body, splitter, { type, status: response.status }, pageOptions),
    splitter,
    wireBytes: () => body.wireBytes(),
  }
}

function chooseSplitter(type: string, options: HttpOptions, maxLine: number): PageSplitter {
  const { format, records, paginate } = options
  if (format === 'ndjson' || (format === 'auto' && NDJSON.test(type))) return new NdjsonSplitter(maxLine)
  const keys = keysOf(records)
  if (keys.length === 0) return new RootArraySplitter(maxLine)
  return new EnvelopeSplitter({ records, keys, capture: pathsOf(paginate), maxLine })
}

/** The check of the configuration allows no other paths. */
function keysOf(records: string): readonly string[] {
  return parseRecordsPath(records).keys ?? []
}

const NDJSON = /^application\/(x-)?(ndjson|jsonl|jsonlines|json-lines)\b/i

async function* split(
  body: Body,
  splitter: PageSplitter,
  { type, status }: { readonly type: string; readonly status: number },
  { options, deadline, secrets }: PageOptions,
): AsyncGenerator<LineChunk, void> {
  const chunks = body.chunks[Symbol.asyncIterator]()
  const start = new ResponseStart()
  let failure: SluiceError | undefined
  let started = false
  try {
    try {
      while (true) {
        const next = await deadline.wait(chunks.next())
        if (next.done === true) break
        start.add(next.value)
        if (!started) started = checkStart(next.value, type)
        yield* splitter.push(next.value)
      }
      if (status === 202 && !started)
        throw invalidResponse('the response has status 202 (Accepted) and is empty: its records are not ready')
      yield* splitter.end()
    } catch (error) {
      if (!(error instanceof SluiceError) || !error.retryable || deadline.signal.aborted) throw error
      failure = error
      await readOn(chunks, start, deadline)
    }
    const said =
      failure === undefined && splitter.count > 0 ? undefined : start.errorIn(keysOf(options.records), secrets)
    if (said === undefined && failure !== undefined) throw failure
    if (said === undefined) return
    const problem = failure?.message ?? `the response is an error with status ${status}`
    throw invalidResponse(said === '' ? problem : `${problem}: the API says "${said}"`, failure)
  } finally {
    const closed = chunks.return?.()
    // After the deadline, a read that does not end would delay this too.
    if (deadline.signal.aborted) void closed?.catch(() => {})
    else await closed
  }
}

/** Reads the rest of a response that may be an error. Its status was a success, so it is short. */
async function readOn(chunks: AsyncIterator<Buffer>, start: ResponseStart, deadline: Deadline): Promise<void> {
  while (!start.isFull) {
    const next = await deadline.waitAtMost(MAX_WAIT, chunks.next()).catch(() => undefined)
    if (next === undefined || next.done === true) return
    start.add(next.value)
  }
}

/** In milliseconds. */
const MAX_WAIT = 10 * SECOND

/**
 * Rejects a sign-in or error page that comes with status 200.
 * @returns true once there is a character to judge by.
 */
function checkStart(chunk: Buffer, type: string): boolean {
  const first = firstCharacter(chunk)
  if (first === '<' || /^text\/html\b/i.test(type)) throw invalidResponse('the response is an HTML page, not data')
  return first !== undefined
}
