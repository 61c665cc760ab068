import { resolve } from 'node:path'
import type { InputFailure } from '../../component.ts'
import type { Chunk } from '../../record/chunk.ts'
import { SluiceError } from '../../errors.ts'
import type { Json } from '../../record/json/json.ts'
import type { FileInput } from './inputs.ts'
import { isFilePosition } from './position.ts'

type Position = (partition: string) => Json | undefined

interface Options {
  readonly position: Position
  readonly signal: AbortSignal
  /** Called with the failure of the input. Throws its error, or returns if the run keeps going. */
  readonly fail: (failure: InputFailure) => void
}

/**
 * Reads an input, and reports if that fails. The position of the part that was read is also kept
 * under the name of the input: a file that is replaced by a complete copy has another inode, and
 * resumes there if its first bytes are the same.
 */
export async function* readOrFail(
  input: FileInput,
  open: (input: FileInput, position: Position) => AsyncIterable<Chunk>,
  { position, signal, fail }: Options,
): AsyncGenerator<Chunk, void> {
  const damaged = damagedPartition(input.name)
  let last: Json | undefined
  const find: Position = (partition) => (last = position(partition) ?? position(damaged))
  try {
    for await (const chunk of open(input, find)) {
      last = chunk.position ?? last
      yield chunk
    }
    return
  } catch (error) {
    if (!(error instanceof SluiceError) || signal.aborted) throw error
    fail({ input: input.name, error, ...(isFilePosition(last) && { line: last.line }) })
  }
  if (isFilePosition(last)) yield { partition: damaged, position: last, sourceBytes: 0 }
}

/** Source partition that has the position of a damaged file under its name. */
export function damagedPartition(name: string): string {
  return `damaged ${resolve(name)}`
}
