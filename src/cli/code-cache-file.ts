import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The compiled code of one file. Checksums are CRC-32. */
export interface Entry {
  /** Of the file's text. */
  readonly source: number
  /** Of the code. */
  readonly checksum: number
  readonly code: Buffer
}

/** What the first line of a cache file has for each entry. Their code follows in the same order. */
type Head = readonly [file: string, source: number, checksum: number, length: number]

/** Entries by file. Of a damaged cache file some are missing, or have another checksum. */
export function readEntries(path: string): Map<string, Entry> {
  const entries = new Map<string, Entry>()
  try {
    const bytes = readFileSync(path)
    let at = bytes.indexOf('\n') + 1
    const heads: readonly Head[] = JSON.parse(bytes.toString('utf8', 0, at))
    for (const [file, source, checksum, length] of heads) {
      entries.set(file, { source, checksum, code: bytes.subarray(at, (at += length)) })
    }
  } catch {
    // It is written again.
  }
  return entries
}

/** Replaces a cache file as a whole: other processes read it meanwhile. Does nothing if the disk is full. */
export function writeEntries(path: string, entries: ReadonlyMap<string, Entry>): void {
  const heads = [...entries].map(([file, { source, checksum, code }]): Head => [file, source, checksum, code.length])
  const temporary = `${path}.${process.pid}`
  try {
    const head = Buffer.from(`${JSON.stringify(heads)}\n`)
    const content = Buffer.concat([head, ...[...entries.values()].map(({ code }) => code)])
    writeFileSync(temporary, content, { mode: 0o600, flag: 'wx' })
    renameSync(temporary, path)
  } catch {
    rmSync(temporary, { force: true })
  }
}

/** Removes cache files of versions, flags and folders that are gone. One in use is made again. */
export function removeOld(folder: string, extension: string): void {
  try {
    for (const name of readdirSync(folder)) {
      const path = join(folder, name)
      if (name.includes(extension) && Date.now() - statSync(path).mtimeMs > OLD) rmSync(path, { force: true })
    }
  } catch {
    // Another process removes them.
  }
}

/** 30 days. */
const OLD = 30 * 24 * 60 * 60 * 1000
