import { close, constants, fstatSync, open, read } from 'node:fs'
import { SluiceError } from '../../errors.ts'
import { fileError } from './file-error.ts'
import { fileKey } from './inputs.ts'
import { HEAD_BYTES } from './position.ts'
import { digestTail, TAIL_BYTES } from './part-detail.ts'

export interface PeekedFile {
  readonly partition: string
  readonly bytes: number
  readonly head: Buffer
  /** See `PartDetail.tail`. */
  readonly tail: string | undefined
}

/**
 * Looks at a file without reading it. A `FileHandle` would take three times as long, and an archive can
 * have a million files.
 * @throws SluiceError FILE_NOT_FOUND, SOURCE_FAILED
 */
export async function peekFile(name: string): Promise<PeekedFile> {
  let fd: number | undefined
  try {
    fd = await openFd(name)
    // Answered from memory, because the file is open.
    const stats = fstatSync(fd, { bigint: true })
    if (!stats.isFile()) throw new SluiceError('FILE_NOT_FOUND', `"${name}" is not a regular file any more`)
    const bytes = Number(stats.size)
    const head = await readFd(fd, 0, Math.min(bytes, HEAD_BYTES))
    const tail = bytes > HEAD_BYTES ? digestTail(await readFd(fd, bytes - TAIL_BYTES, TAIL_BYTES)) : undefined
    return { partition: fileKey(stats), bytes, head, tail }
  } catch (error) {
    throw fileError(error, name)
  } finally {
    if (fd !== undefined) await closeFd(fd)
  }
}

function openFd(name: string): Promise<number> {
  const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)
  return new Promise((resolve, reject) => {
    open(name, flags, (error, fd) => (error ? reject(error) : resolve(fd)))
  })
}

function readFd(fd: number, offset: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(bytes)
  return new Promise((resolve, reject) => {
    read(fd, buffer, 0, bytes, offset, (error, count) => (error ? reject(error) : resolve(buffer.subarray(0, count))))
  })
}

function closeFd(fd: number): Promise<void> {
  return new Promise((resolve) => {
    close(fd, () => resolve())
  })
}
