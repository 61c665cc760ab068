import { createHash } from 'node:crypto'
import { open, stat } from 'node:fs/promises'
import type { BigIntStats } from 'node:fs'
import { systemCode } from '../../errors.ts'
import { formatSize } from '../../fields/units.ts'
import { TableProblem } from './table-problem.ts'

export interface TableFile {
  readonly bytes: Buffer
  /** SHA-256 in hex. */
  readonly digest: string
  readonly stamp: string
}

/**
 * Reads a file as a whole.
 * @throws TableProblem if it cannot be read, is larger than `maxSize`, or is written at the same time
 */
export async function readTableFile(path: string, maxSize: number): Promise<TableFile> {
  try {
    const file = await open(path, 'r')
    try {
      const before = await file.stat({ bigint: true })
      if (!before.isFile()) throw new TableProblem(['file'], 'is not a file')
      if (before.size > maxSize) throw tooLarge(Number(before.size), maxSize)
      const bytes = Buffer.allocUnsafeSlow(Number(before.size))
      const hash = createHash('sha256')
      let length = 0
      while (length < bytes.length) {
        const { bytesRead } = await file.read(bytes, length, Math.min(READ_BYTES, bytes.length - length), length)
        if (bytesRead === 0) throw changed()
        hash.update(bytes.subarray(length, length + bytesRead))
        length += bytesRead
      }
      const stamp = stampText(before)
      if (stamp !== stampText(await file.stat({ bigint: true }))) throw changed()
      return { bytes, digest: hash.digest('hex'), stamp }
    } finally {
      await file.close()
    }
  } catch (error) {
    if (error instanceof TableProblem) throw error
    throw new TableProblem(['file'], `cannot be read: ${systemCode(error) ?? String(error)}`)
  }
}

/** Changes with the file: another file, length or time. Empty if it cannot be looked at. */
export async function stampOf(path: string): Promise<string> {
  return stat(path, { bigint: true }).then(stampText, () => '')
}

const READ_BYTES = 8 << 20

function stampText({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ')
}

function changed(): TableProblem {
  return new TableProblem(['file'], 'is written while it is read', 'replace it by a rename, as `mv` does')
}

function tooLarge(size: number, maxSize: number): TableProblem {
  const what = `has ${formatSize(size)}, and maxSize is ${formatSize(maxSize)}`
  return new TableProblem(['file'], what, 'set a larger maxSize: the table needs about as much memory as its file')
}
