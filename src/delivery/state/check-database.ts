import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { SluiceError } from '../../errors.ts'

/**
 * Checks the first two pages of a database. LMDB crashes the process if the file is not a database, or is
 * truncated, as after an interrupted copy.
 * @throws SluiceError STATE_DAMAGED
 */
export function checkDatabase(path: string): void {
  const file = openSync(path, 'r')
  try {
    const first = readMeta(file, 0)
    const second = first && readMeta(file, first.pageSize)
    // The file is at least as long as its last page that is on the disk; the newer of the two may not be yet.
    const { size } = fstatSync(file)
    if (first === undefined || second === undefined) throw damaged(path, 'it is not a database')
    const expected = (Math.min(first.lastPage, second.lastPage) + 1) * first.pageSize
    if (size < expected) throw damaged(path, `it has ${size} of ${expected} bytes`)
  } finally {
    closeSync(file)
  }
}

interface Meta {
  readonly pageSize: number
  readonly lastPage: number
}

/** `MDB_meta` of https://github.com/kriszyp/lmdb-js (`dependencies/lmdb/libraries/liblmdb/mdb.c`), after the header of its page. */
function readMeta(file: number, at: number): Meta | undefined {
  const page = Buffer.alloc(LENGTH)
  if (readSync(file, page, 0, LENGTH, at) < LENGTH || page.readUInt32LE(MAGIC.at) !== MAGIC.value) return undefined
  const pageSize = page.readUInt32LE(PAGE_SIZE)
  const lastPage = Number(page.readBigUInt64LE(LAST_PAGE))
  return pageSize < LENGTH ? undefined : { pageSize, lastPage }
}

const MAGIC = { at: 24, value: 0xbe_ef_c0_de }
const PAGE_SIZE = 48
const LAST_PAGE = 144
const LENGTH = 152

function damaged(path: string, why: string): SluiceError {
  return new SluiceError('STATE_DAMAGED', `${path}: ${why}`, {
    hint: 'restore the whole state folder from a backup; see docs/state.md',
  })
}
