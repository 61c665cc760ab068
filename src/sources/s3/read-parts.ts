import type { ReadOptions, ReadPart, SourcePart } from '../../component.ts'
import { SluiceError } from '../../errors.ts'
import type { Chunk } from '../../record/chunk.ts'
import type { ContentPosition } from '../content/position.ts'
import { detailOf, isPartEnd } from './part-detail.ts'
import type { PartDetail, PartEnd, Plan } from './part-detail.ts'
import { OBJECT_FAILURES } from './path-reader.ts'
import type { ObjectPosition, S3Position } from './position.ts'
import { Progress } from './progress.ts'
import { ReadAhead } from './read-ahead.ts'
import { readObject } from './read-object.ts'
import type { Store } from './store.ts'
import { storedStart } from './tasks.ts'
import type { PathSettings, Task } from './tasks.ts'

/** Reads parts of objects, with the requests of the next ones ahead, as the serial reading does. */
export async function* readParts(
  store: Store,
  parts: readonly SourcePart[],
  settings: PathSettings,
  options: ReadOptions,
): AsyncGenerator<AsyncIterable<Chunk>, void> {
  for await (const { item, read } of new ReadAhead(store, tasksOf(parts), options.signal).open()) {
    yield readPart(store, item, read, settings, options)
  }
}

interface PartTask extends Pick<Task, 'object' | 'start' | 'from'> {
  readonly part: SourcePart
  readonly detail: PartDetail
}

async function* tasksOf(parts: readonly SourcePart[]): AsyncGenerator<PartTask, void> {
  for (const part of parts) {
    const detail = detailOf(part)
    const { key, etag, version, bytes, start, end } = detail
    const from = start === undefined ? detail.from : rangeStart(detail, start)
    // The bytes after a range belong to other parts.
    const object = { key, etag, version, bytes: end ?? bytes, size: bytes }
    yield { part, detail, object, start: storedStart(from), from }
  }
}

/** Damage in a whole object is reported as in the serial reading; of a range it is thrown. */
async function* readPart(
  store: Store,
  task: PartTask,
  read: (offset: number) => AsyncIterable<Buffer>,
  { content }: PathSettings,
  options: ReadOptions,
): AsyncGenerator<Chunk, void> {
  const { part, detail } = task
  const { bytes, start, end } = detail
  const { partition } = part
  let last = detail.from
  try {
    const reading = { partition, content, options, ...(start !== undefined && start > 0 && { linesFrom: start }) }
    for await (const { chunk, position, isLast } of readObject(store, task, read, reading)) {
      last = position ?? last
      const done = { ...(position ?? basic(detail)), bytes }
      yield { ...chunk, ...(isLast && { position: { done } }) }
    }
    return
  } catch (error) {
    const isOwn = error instanceof SluiceError && OBJECT_FAILURES.has(error.code) && !options.signal.aborted
    if (!isOwn || start !== undefined || end !== undefined) throw error
    const line = last?.content?.line
    options.inputFailed({ input: part.input, error, ...(line !== undefined && { line }) })
  }
  yield { partition, position: { failed: last ?? basic(detail) }, sourceBytes: 0 }
}

function basic({ key, etag, bytes }: PartDetail): ObjectPosition {
  return { key, ...(etag !== undefined && { etag }), bytes }
}

/** The start of a line. Lines are counted from there. */
function rangeStart(detail: PartDetail, offset: number): ObjectPosition {
  const content: ContentPosition = { format: 'ndjson', offset, line: 0, open: false }
  return { ...basic(detail), content }
}

/** The position of a path after all parts of a plan: the one that a serial reading would have reached. */
export function positionAfter(
  parts: Iterable<ReadPart>,
  { lookBack, lookBackEvery }: PathSettings,
): S3Position | undefined {
  let plan: Plan | undefined
  let progress: Progress | undefined
  for (const { part, end: found } of parts) {
    const detail = detailOf(part)
    // Only the first part has it.
    plan ??= detail.plan
    if (plan === undefined) return undefined
    progress ??= beginProgress(plan, lookBack, lookBackEvery)
    const { key, etag, modified, turn, bytes, end = bytes } = detail
    const result: PartEnd | undefined = isPartEnd(found) ? found : undefined
    if (end < bytes) continue
    const listed = { key, etag, bytes, modified, storageClass: undefined }
    if (turn === 'listed') progress.passed(listed)
    if (result !== undefined && 'failed' in result) progress.failedAt(result.failed)
    else if (turn === 'again') progress.completed(listed, plan.now)
  }
  progress?.endPass()
  return progress?.position()
}

function beginProgress({ saved, now }: Plan, lookBack: number, lookBackEvery: number): Progress {
  const progress = new Progress(saved, lookBack)
  progress.beginPass(now, lookBackEvery)
  return progress
}
