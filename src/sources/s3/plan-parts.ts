import type { PartsOptions, SourcePart } from '../../component.ts'
import { detectCompression, MAGIC_BYTES } from '../../compression/detect.ts'
import { SluiceError } from '../../errors.ts'
import { createSplitter } from '../content/create-splitter.ts'
import type { InputFormat } from '../content/detecting-splitter.ts'
import { cutAtLines } from '../content/line-borders.ts'
import { getRange, nameOf } from './get-range.ts'
import { compressionByName } from './name-of-compression.ts'
import type { Plan, PartDetail } from './part-detail.ts'
import type { OpenPath } from './path-reader.ts'
import { nothingFound, OBJECT_FAILURES } from './path-reader.ts'
import { Progress } from './progress.ts'
import type { Store } from './store.ts'
import { Found, tasksAgain, tasksListed } from './tasks.ts'
import type { PathSettings, Task } from './tasks.ts'

/**
 * The parts of a path, in the order in which a run reads its objects. Most objects are one part each,
 * and nothing is requested for them but the list. A large plain one is looked at, and cut at line
 * borders if it is NDJSON.
 */
export async function* planPath(
  store: Store,
  { pattern, partition, saved }: OpenPath,
  settings: PathSettings,
  options: PartsOptions,
): AsyncGenerator<SourcePart, void> {
  const { signal, note } = options
  const progress = new Progress(saved, settings.lookBack)
  const path = { store, pattern, settings, progress }
  const now = Date.now()
  const isNew = progress.after === undefined
  const turn = progress.beginPass(now, settings.lookBackEvery)
  const found = new Found()
  let plan: Plan | undefined = { now, ...(saved && { saved }) }
  for await (const task of concat(tasksAgain(path, true, options), tasksListed(path, turn, found, signal))) {
    if (signal.aborted) return
    for await (const { bytes, detail, ...known } of partsOf(store, task, settings, options)) {
      const input = nameOf(store, task.object.key)
      yield { partition, input, bytes, ...known, detail: { ...detail, ...(plan && { plan }) } }
      plan = undefined
    }
  }
  found.log(note)
  if (isNew && found.objects === 0 && !signal.aborted) throw await nothingFound(store, pattern, settings, signal)
}

async function* concat<T>(...sources: readonly AsyncIterable<T>[]): AsyncGenerator<T, void> {
  for (const source of sources) yield* source
}

type Part = Pick<SourcePart, 'bytes' | 'format' | 'compression'> & { readonly detail: PartDetail }

async function* partsOf(
  store: Store,
  task: Task,
  { content }: PathSettings,
  options: PartsOptions,
): AsyncGenerator<Part, void> {
  const { object, listed, start, from, turn } = task
  const { key, bytes } = object
  const whole: PartDetail = {
    key,
    ...(object.etag !== undefined && { etag: object.etag }),
    ...(object.version !== undefined && { version: object.version }),
    bytes,
    modified: listed.modified,
    turn,
    ...(from && { from }),
  }
  const named = compressionByName(key)
  const isCut =
    bytes - start >= MIN_PARTS * options.partBytes && content.records.reader === 'lines' && content.format !== 'array'
  const look = isCut && from === undefined ? await lookAt(store, task, content, options) : undefined
  if (look instanceof SluiceError) {
    options.inputFailed({ input: nameOf(store, key), error: look })
    // Reading it reports the failure again, and keeps the object for the next run.
    yield { bytes, detail: whole }
    return
  }
  const format = from?.content?.format ?? look?.format
  const compression =
    from === undefined ? (look ? look.compression : named) : from.isCompressed === true ? named : undefined
  if (!isCut || format !== 'ndjson' || compression !== undefined || from?.isCompressed === true) {
    yield {
      bytes: bytes - start,
      ...(format && { format }),
      ...(compression !== undefined && { compression }),
      detail: whole,
    }
    return
  }
  const { signal, partBytes } = options
  const read = (offset: number, count: number): Promise<Buffer> =>
    getRange(store, object, { start: offset, end: Math.min(bytes, offset + count), signal })
  for await (const range of cutAtLines({ start, end: bytes, partBytes, read })) {
    const { from: _, ...rest } = whole
    const isFirst = range.start === start
    const detail = { ...rest, ...(isFirst && from ? { from } : { start: range.start }), end: range.end }
    yield { bytes: range.end - range.start, format, detail }
  }
}

/** Fewer parts are not worth it: rounded, it would be one. */
const MIN_PARTS = 1.5

interface Look {
  readonly compression: string | undefined
  readonly format: InputFormat | undefined
}

/** Looks at the start of an object. Its failure is a value. */
async function lookAt(
  store: Store,
  { object }: Task,
  content: PathSettings['content'],
  { signal, maxLine }: PartsOptions,
): Promise<Look | SluiceError> {
  try {
    const { splitter, format } = await createSplitter(nameOf(store, object.key), { ...content, maxLine })
    for (let at = 0; at < object.bytes && at <= maxLine; at += LOOK_BYTES) {
      const end = Math.min(object.bytes, at + LOOK_BYTES)
      const bytes = await getRange(store, object, { start: at, end, signal })
      const compression = at === 0 ? detectCompression(bytes.subarray(0, MAGIC_BYTES), object.key)?.name : undefined
      if (compression !== undefined) return { compression, format: undefined }
      for (const _lines of splitter.push(bytes));
      if (format() !== undefined) break
    }
    return { compression: undefined, format: format() }
  } catch (error) {
    if (!(error instanceof SluiceError) || signal.aborted || !OBJECT_FAILURES.has(error.code)) throw error
    return error
  }
}

const LOOK_BYTES = 64 * 1024
