import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { SluiceError } from '../../errors.ts'
import type { Json } from '../../record/json/json.ts'
import type { SplitOptions } from '../content/create-splitter.ts'
import { whyNotResumed } from '../content/position.ts'
import { refuseForeign, SNIFF_BYTES } from '../content/refuse-foreign.ts'
import type { Ending } from '../content/split-content.ts'
import { fileError } from './file-error.ts'
import { fileKey } from './inputs.ts'
import { HEAD_BYTES, matchPosition } from './position.ts'
import type { FilePosition } from './position.ts'
import type { Note } from '../../observe/messages/table.ts'

/** Opens a regular file. A FIFO that took the name since it was found does not block. */
export async function openFile(name: string): Promise<FileHandle> {
  const file = await open(name, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch((error: unknown) => {
    throw fileError(error, name)
  })
  if ((await file.stat()).isFile()) return file
  await file.close()
  throw new SluiceError('FILE_NOT_FOUND', `"${name}" is not a regular file any more`)
}

export async function inspectFile(file: FileHandle, name: string) {
  try {
    const stats = await file.stat({ bigint: true })
    const head = await readHead(file, HEAD_BYTES)
    return { partition: fileKey(stats), bytes: Number(stats.size), head, version: `${stats.size} ${stats.mtimeNs}` }
  } catch (error) {
    throw fileError(error, name)
  }
}

async function readHead(file: FileHandle, bytes: number): Promise<Buffer> {
  return readAt(file, 0, bytes)
}

/** Bytes from an offset; fewer at the end of the file. */
export async function readAt(file: FileHandle, offset: number, bytes: number): Promise<Buffer> {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(bytes), 0, bytes, offset)
  return buffer.subarray(0, bytesRead)
}

/** A file that is followed may begin with lines of text: it is refused for many of them only. */
export async function checkHead(
  file: FileHandle,
  head: Buffer,
  ending: Ending,
  start: Parameters<typeof refuseForeign>[2],
): Promise<void> {
  const isWhole = (bytes: number, length: number): boolean => ending !== 'open' && length < bytes
  if (refuseForeign(head, isWhole(HEAD_BYTES, head.length), start) || head.length < HEAD_BYTES) return
  const more = await readHead(file, SNIFF_BYTES).catch((error: unknown) => {
    throw fileError(error, start.name)
  })
  refuseForeign(more, isWhole(SNIFF_BYTES, more.length), start)
}

/** The position to resume at: undefined, and logged, if it is of another file or for other options. */
export function resume(
  saved: Json | undefined,
  { name, bytes, head }: { readonly name: string; readonly bytes: number; readonly head: Buffer },
  options: Pick<SplitOptions, 'format' | 'records'> & { readonly note: Note },
): FilePosition | undefined {
  if (saved === undefined) return undefined
  const position = matchPosition(saved, head, bytes)
  const changed = position && whyNotResumed(position, options)
  if (position !== undefined && changed === undefined) return position
  if (changed === undefined) options.note('file.replaced', { file: name })
  else options.note('file.restarted', { what: changed.what, file: name, ...changed.facts })
  return undefined
}

/**
 * An input that is not any more what the plan of a parallel backfill says.
 * @param isRange other parts of the file may be read
 */
export function fileChanged(name: string, what: string, isRange = true): SluiceError {
  const other = isRange
    ? 'or end this backfill with `sluice runs cancel PIPELINE`, and start it again with the file as it is now'
    : 'or finish the backfill with --keep-going (`sluice runs retry PIPELINE --keep-going`) and start it again, which reads the file as it is now; or give it up with `sluice runs cancel PIPELINE`'
  return new SluiceError('INPUT_CORRUPT', `"${name}" has changed since the backfill was planned: ${what}`, {
    hint: `restore the file and run the same command again; ${other}`,
  })
}
