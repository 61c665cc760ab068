import { setTimeout } from 'node:timers/promises'
import { Type } from '../fields/typebox.ts'
import { defineSource } from '../component.ts'
import type { InputFailure, PartsOptions, PositionSummary, ReadOptions, Source, SourcePart } from '../component.ts'
import type { Chunk } from '../record/chunk.ts'
import { SluiceError } from '../errors.ts'
import { InputPath } from '../fields/fields.ts'
import { contentFields } from './content/fields.ts'
import type { Json } from '../record/json/json.ts'
import { ChunkReader } from './file/chunk-reader.ts'
import { findInputs } from './file/inputs.ts'
import { planFiles } from './file/plan-parts.ts'
import { positionAfterParts, readFilePart } from './file/read-part.ts'
import { readOrFail } from './file/read-or-fail.ts'
import type { FileInput } from './file/inputs.ts'
import { RotatedFiles } from './file/rotated-files.ts'
import { SkippedFiles } from './file/skipped-files.ts'
import { isFilePosition } from './file/position.ts'
import { readFile, readStream } from './file/read-input.ts'
import { checkRecords, readersList, recordsSetting } from './content/records-setting.ts'
import type { ContentSettings } from './content/position.ts'
import type { Ending } from './content/split-content.ts'
import { formatBytes, plural } from '../observe/report.ts'
import type { Note } from '../observe/messages/table.ts'

const pathField = InputPath()

const fields = {
  path: Type.Union([pathField, Type.Array(pathField, { minItems: 1 })], {
    description:
      'A file, a folder, a glob, `-` for standard input, or a list of these. Relative to the working directory. ' +
      'Folders are searched recursively for `.json`, `.ndjson`, `.jsonl` and `.log` files in any case, also with `.gz`, `.br` or `.zst`; hidden ones are skipped. ' +
      'Folders and globs take regular files only, and links that lead to one below the place of the search. ' +
      'Gzip and zstd (Node.js 22.15 or later) are detected by content, brotli by `.br`.',
  }),
  ...contentFields,
}

export default defineSource({
  type: 'file',
  summary: 'Reads NDJSON and JSON arrays from files, folders and standard input, plain or compressed.',
  fields,
  examples: [
    { title: 'A folder of archives', config: { path: './archive' } },
    { title: 'Standard input', config: { path: '-' } },
    {
      title: 'CloudTrail: documents with an array of records',
      config: { path: 'AWSLogs/*/CloudTrail/**/*.json.gz', records: 'Records' },
    },
    {
      title: 'Arrays in the values of an object; each record gets the key as a member',
      config: { path: 'export.json', records: 'accounts.*.events[*]', keyAs: 'account' },
    },
    { title: 'Several globs', config: { path: ['logs/*.ndjson', 'export/**/*.json.gz'], format: 'auto' } },
  ],
  lists: [readersList],
  repeats: false,
  *check({ path, records, keyAs }) {
    yield* checkRecords(records, keyAs)
    const url = [path].flat().find((one) => one.includes('s3://'))
    if (url === undefined) return
    yield {
      at: ['path'],
      message: `"${url}" is not a file, but in a bucket`,
      hint: 'write type: s3, and the same path',
    }
  },
  describePosition,
  create({ path, format, records, keyAs }) {
    const paths = typeof path === 'string' ? [path] : path
    const content = { format, records: recordsSetting(records, keyAs) }
    return {
      read: (options) => (options.follow ? follow(paths, content, options) : readAll(paths, content, options)),
      total: () => sumBytes(paths),
      parts: (options) => planAll(paths, content, options),
      readParts: partsReader(content),
      positionAfter: (parts) => positionAfterParts(parts),
    }
  },
})

/** Source partitions are named by the identity of the file, so the position says how much is read. */
function describePosition(position: Json): PositionSummary {
  if (!isFilePosition(position)) return {}
  const { bytes, offset, line, done } = position
  return {
    // Called for each chunk, by callers that want a time only.
    get detail() {
      if (done) return `complete, ${formatBytes(bytes)}`
      return `${plural(line, 'line')}, ${formatBytes(offset)} of content; the file has ${formatBytes(bytes)}`
    },
  }
}

async function* readAll(
  paths: readonly string[],
  content: ContentSettings,
  options: ReadOptions,
): AsyncGenerator<Chunk, void> {
  const missing: InputFailure[] = []
  const inputs = await findLogged(paths, options, (failure) => missing.push(failure))
  // A single input that fails is the failure of the source: there is nothing to continue with.
  const fail = inputs.length + missing.length > 1 ? options.inputFailed : rethrow
  for (const failure of missing) fail(failure)
  const open = opener(content, options, options.final === true ? 'final' : 'unknown')
  const position = (partition: string): Json | undefined => options.position(partition)
  for (const input of inputs) {
    if (options.signal.aborted) return
    yield* readOrFail(input, open, { position, signal: options.signal, fail })
  }
}

async function* planAll(
  paths: readonly string[],
  content: ContentSettings,
  options: PartsOptions,
): AsyncGenerator<SourcePart, void> {
  const missing: InputFailure[] = []
  const inputs = await findLogged(paths, options, (failure) => missing.push(failure))
  const stream = inputs.find(({ kind }) => kind !== 'file')
  if (stream !== undefined) {
    const what = stream.kind === 'stdin' ? 'standard input' : `"${stream.name}"`
    throw new SluiceError('UNSUPPORTED', `${what} can be read only once, from its start: it cannot be divided`, {
      hint: 'write it to a file first, or use one worker: --workers 1, without --queue',
    })
  }
  const fail = inputs.length + missing.length > 1 ? options.inputFailed : rethrow
  for (const failure of missing) fail(failure)
  yield* planFiles(inputs, { ...options, ...content, fail })
}

function partsReader(content: ContentSettings): NonNullable<Source['readParts']> {
  let reader: ChunkReader | undefined
  const strayLogged = new Set<string>()
  return (parts, options) => {
    const own = { ...content, reader: (reader ??= new ChunkReader()), strayLogged }
    return parts.map((part) => readFilePart(part, own, options))
  }
}

function rethrow({ error }: InputFailure): never {
  throw error
}

/** Polls for new files and new lines. Files may appear, disappear and be rotated meanwhile. */
async function* follow(
  paths: readonly string[],
  content: ContentSettings,
  options: ReadOptions,
): AsyncGenerator<Chunk, void> {
  const open = opener(content, options, 'open')
  const positions = new Map<string, Json | undefined>()
  /** Size of each input when it failed: it is read again when that has changed. */
  const failed = new Map<string, number>()
  const position = (partition: string): Json | undefined => positions.get(partition) ?? options.position(partition)
  const rotated = new RotatedFiles()
  let inputs = await rotated.add(await findLogged(paths, options, options.inputFailed))
  while (!options.signal.aborted) {
    for (const input of inputs) {
      if (failed.get(input.name) === input.bytes) continue
      const fail = (failure: InputFailure): void => {
        options.inputFailed(failure)
        failed.set(input.name, input.bytes)
      }
      for await (const chunk of readOrFail(input, open, { position, signal: options.signal, fail })) {
        positions.set(chunk.partition ?? '', chunk.position)
        yield chunk
      }
      if (options.signal.aborted) return
    }
    await setTimeout(POLL_MS, undefined, { signal: options.signal }).catch(() => {})
    inputs = await rotated.add(await findFiles(paths))
  }
}

const POLL_MS = 1000

function opener(content: ContentSettings, options: ReadOptions, ending: Ending) {
  const reader = new ChunkReader()
  const versionsRead = new Map<string, string>()
  const strayLogged = new Set<string>()
  return (input: FileInput, position: (partition: string) => Json | undefined) => {
    const { signal, maxLine } = options
    const note: Note = (...[code, facts]) => options.note(code, facts)
    const inputOptions = { ...content, reader, versionsRead, strayLogged, ending, signal, maxLine, note, position }
    return input.kind === 'file' ? readFile(input, inputOptions) : readStream(input, inputOptions)
  }
}

/** Logs what the search did not take. */
async function findLogged(
  paths: readonly string[],
  { note }: { readonly note: Note },
  failed: (failure: InputFailure) => void,
): Promise<FileInput[]> {
  const skipped = new SkippedFiles()
  try {
    return await findInputs(paths, (input, error) => failed({ input, error }), skipped)
  } finally {
    for (const facts of skipped.lines()) note('file.skipped', facts)
  }
}

/** Without those that have disappeared or cannot be looked at. */
async function findFiles(paths: readonly string[]): Promise<FileInput[]> {
  return (await findInputs(paths, () => {})).filter(({ kind }) => kind === 'file')
}

/** Undefined for standard input and pipes, and if no input is found: reading reports that. */
async function sumBytes(paths: readonly string[]): Promise<{ bytes: number } | undefined> {
  const inputs = await findInputs(paths, () => {}).catch(() => [])
  if (inputs.length === 0 || inputs.some(({ kind }) => kind !== 'file')) return undefined
  return { bytes: inputs.reduce((sum, { bytes }) => sum + bytes, 0) }
}
