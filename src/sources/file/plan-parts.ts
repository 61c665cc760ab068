import type { FileHandle } from 'node:fs/promises'
import type { InputFailure, PartsOptions, SourcePart } from '../../component.ts'
import { detectCompression } from '../../compression/detect.ts'
import { SluiceError } from '../../errors.ts'
import { createSplitter } from '../content/create-splitter.ts'
import type { SplitOptions } from '../content/create-splitter.ts'
import type { InputFormat } from '../content/detecting-splitter.ts'
import { cutAtLines } from '../content/line-borders.ts'
import { startOf } from '../content/position.ts'
import { fileError } from './file-error.ts'
import type { FileInput } from './inputs.ts'
import { checkHead, inspectFile, openFile, readAt, resume } from './opened-file.ts'
import { tailDigest } from './part-detail.ts'
import type { PartDetail } from './part-detail.ts'
import { fingerprint } from './position.ts'
import { peekFile } from './peek-file.ts'
import { damagedPartition } from './read-or-fail.ts'

interface PlanOptions extends PartsOptions, Pick<SplitOptions, 'format' | 'records'> {
  /** Called with the failure of an input. Throws its error, or returns if the run keeps going. */
  readonly fail: (failure: InputFailure) => void
}

/**
 * The parts of files, in their order: what their committed positions leave to read. A large plain
 * NDJSON file is cut at line borders. Every other file is one part: compressed content, arrays and
 * documents can only be read from their start.
 */
export async function* planFiles(inputs: readonly FileInput[], options: PlanOptions): AsyncGenerator<SourcePart, void> {
  for (let at = 0; at < inputs.length; at += AT_ONCE) {
    const some = inputs.slice(at, at + AT_ONCE)
    const inspected = await Promise.all(some.map((input) => inspect(input, options).catch(caught(input, options))))
    for (const [number, planned] of inspected.entries()) {
      if (options.signal.aborted) return
      const input = some[number]
      const failure = planned instanceof SluiceError ? planned : planned && (yield* partsOf(input, planned, options))
      if (failure !== undefined) options.fail({ input: input.name, error: failure })
    }
  }
}

/** Files that are looked at together. */
const AT_ONCE = 32

/** Failures of inputs are values: they are reported in the order of the inputs. */
function caught({ name }: FileInput, { signal }: PlanOptions) {
  return (error: unknown): SluiceError => {
    if (signal.aborted) throw error
    return fileError(error, name)
  }
}

interface Planned {
  /** Of the part that reads all that is left of the file. */
  readonly detail: PartDetail
  readonly partition: string
  readonly compression: string | undefined
}

/** Undefined if nothing is left to read. */
async function inspect({ name }: FileInput, options: PlanOptions): Promise<Planned | undefined> {
  const { partition, bytes, head, tail } = await peekFile(name)
  const committed = options.position(partition) ?? options.position(damagedPartition(name))
  const from = resume(committed, { name, bytes, head }, options)
  if (bytes === 0 || (from?.bytes === bytes && from.done)) return undefined
  const compression = detectCompression(head, name)?.name
  const detail = { ...fingerprint(head), size: bytes, end: bytes, ...(tail && { tail }), ...(from && { from }) }
  return { partition, detail, compression }
}

/** Returns the failure if the input cannot be divided because it cannot be read. */
async function* partsOf(
  input: FileInput,
  planned: Planned,
  options: PlanOptions,
): AsyncGenerator<SourcePart, SluiceError | undefined> {
  const { size, from } = planned.detail
  const start = startOf(from)
  const isPlain = planned.compression === undefined && options.records.reader === 'lines' && options.format !== 'array'
  if (!isPlain || size - start < MIN_PARTS * options.partBytes) {
    yield partOf(input, planned, planned.detail)
    return undefined
  }
  try {
    yield* cutFile(input, planned, options)
    return undefined
  } catch (error) {
    return caught(input, options)(error)
  }
}

/** Fewer parts are not worth it: rounded, it would be one. */
const MIN_PARTS = 1.5

function partOf({ name }: FileInput, { partition, compression }: Planned, detail: PartDetail, format?: InputFormat) {
  const { start, from, end } = detail
  const known = format ?? from?.format
  return {
    partition,
    input: name,
    bytes: end - (compression === undefined ? (start ?? startOf(from)) : 0),
    ...(known && { format: known }),
    ...(compression !== undefined && { compression }),
    detail,
  }
}

async function* cutFile(input: FileInput, planned: Planned, options: PlanOptions): AsyncGenerator<SourcePart, void> {
  const { name } = input
  const file = await openFile(name)
  try {
    const { size, from, tail: _, ...identity } = planned.detail
    const format = from?.format ?? (await detectFormat(file, name, options))
    if (format !== 'ndjson') {
      yield partOf(input, planned, planned.detail, format)
      return
    }
    const read = async (offset: number, bytes: number): Promise<Buffer> => {
      options.signal.throwIfAborted()
      return readAt(file, offset, bytes)
    }
    const { partBytes } = options
    for await (const { start, end } of cutAtLines({ start: startOf(from), end: size, partBytes, read })) {
      const tail = await tailDigest(file, end)
      const begin: Pick<PartDetail, 'from' | 'start'> = start === startOf(from) && from ? { from } : { start }
      yield partOf(input, planned, { ...identity, size, end, ...(tail && { tail }), ...begin }, format)
    }
  } finally {
    await file.close()
  }
}

/** Undefined if nothing but white space is at the start of a file. */
async function detectFormat(file: FileHandle, name: string, options: PlanOptions): Promise<InputFormat | undefined> {
  const { head } = await inspectFile(file, name)
  await checkHead(file, head, 'unknown', { name, compression: undefined, format: options.format })
  const { splitter, format } = await createSplitter(name, options)
  for (let at = 0; format() === undefined && at <= options.maxLine; at += DETECT_BYTES) {
    const some = await readAt(file, at, DETECT_BYTES)
    if (some.length === 0) break
    for (const _lines of splitter.push(some));
  }
  return format()
}

const DETECT_BYTES = 64 * 1024
