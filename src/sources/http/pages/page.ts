import { badAnswer } from '../transport/response-error.ts'
import { openBody } from '../transport/body.ts'
import type { Body } from '../transport/body.ts'
import type { Answer } from '../client.ts'
import { firstCharacter, LinesCutter, RootArrayCutter } from './page-splitter.ts'
import type { PageCutter, Run } from './page-splitter.ts'
import type { Deadline } from '../transport/deadline.ts'
import { EnvelopeSplitter } from './envelope-splitter.ts'
import type { HttpOptions } from '../options.ts'
import { pathsOf } from './paginate.ts'
import { headerText } from '../transport/json-values.ts'

export interface PageOptions {
  readonly options: HttpOptions
  readonly maxLine: number
  readonly deadline: Deadline
}

/** One response on its way: its runs, and what is known when they are all there. */
export interface Page {
  readonly runs: AsyncIterable<Run>
  readonly cutter: PageCutter
  wireBytes(): number
}

/** Reads an answer as records. The runs end only when the response is complete; else they throw SOURCE_UNAVAILABLE. */
export function openPage(answer: Answer, { options, maxLine, deadline }: PageOptions): Page {
  const type = headerText(answer.headers['content-type']) ?? ''
  const empty = answer.status === 204
  const encoding = empty ? undefined : headerText(answer.headers['content-encoding'])
  const body = openBody(answer.body, encoding, options.maxBody)
  const cutter = empty ? new LinesCutter(maxLine) : chooseCutter(type, options, maxLine)
  return { runs: cut(body, cutter, type, deadline), cutter, wireBytes: () => body.wireBytes() }
}

function chooseCutter(type: string, options: HttpOptions, maxLine: number): PageCutter {
  const { format, records, paginate } = options
  if (format === 'ndjson' || (format === 'auto' && NDJSON.test(type))) return new LinesCutter(maxLine)
  if (records === '$') return new RootArrayCutter(maxLine)
  return new EnvelopeSplitter({ records, capture: pathsOf(paginate), maxLine })
}

const NDJSON = /^application\/(x-)?(ndjson|jsonl|jsonlines|json-lines)\b/i

async function* cut(body: Body, cutter: PageCutter, type: string, deadline: Deadline): AsyncGenerator<Run, void> {
  const chunks = body.chunks[Symbol.asyncIterator]()
  let started = false
  try {
    while (true) {
      const next = await deadline.wait(chunks.next())
      if (next.done === true) break
      if (!started) started = checkStart(next.value, type)
      yield* cutter.push(next.value)
    }
    yield* cutter.end()
  } finally {
    await chunks.return?.()
  }
}

/** A sign-in or error page with status 200 is no data. True once there is something to judge by. */
function checkStart(chunk: Buffer, type: string): boolean {
  const first = firstCharacter(chunk)
  if (first === '<' || /^text\/html\b/i.test(type)) throw badAnswer('the response is an HTML page, not data')
  return first !== undefined
}
