import { closeSync, createReadStream, openSync, readSync } from 'node:fs'
import { dirname } from 'node:path'
import { linesOf, parseLocalReject } from '../../delivery/rejects/local-rejects-reader.ts'
import type { LocalReject } from '../../delivery/rejects/local-rejects-reader.ts'
import { rejectsFolder } from '../../delivery/rejects/local-rejects.ts'
import { isNewer, parseRejectId } from '../../delivery/rejects/reject-id.ts'
import type { RejectId } from '../../delivery/rejects/reject-id.ts'
import { isPending, partsOf } from '../../delivery/rejects/reject-numbers.ts'
import { readState } from '../../delivery/state/state-reader.ts'
import type { StateReader } from '../../delivery/state/state-reader.ts'
import { SluiceError, systemCode } from '../../errors.ts'
import type { RejectFilter } from './api.ts'
import { RejectIndexes } from './reject-index.ts'
import type { FileIndex, Kind } from './reject-index.ts'

/** The rejects of a file that are wanted: numbers of lines, ascending. */
export interface FoundInFile {
  readonly file: FileIndex
  readonly numbers: readonly number[]
  /** Moments of its epochs; undefined where it is not known. */
  readonly timeOf: (epoch: number) => number | undefined
}

export interface FoundRejects {
  readonly evicted: number
  readonly total: number
  /** Rejects of the whole queue whose time is not known. */
  readonly withoutTime: number
  /** Of the whole queue. */
  readonly groups: readonly (Kind & { readonly count: number })[]
  /** The oldest file first. */
  readonly files: readonly FoundInFile[]
}

/** What chooses rejects: all that one of the two chooses. */
export interface Wanted {
  readonly filter?: RejectFilter | undefined
  readonly ids?: ReadonlySet<string> | undefined
}

/**
 * Finds rejects in the dead-letter queue of a state, and hands them to `use` while their files are there.
 * Another process may own the state: when it deletes a file meanwhile, `use` is called again.
 * @throws SluiceError STATE_NOT_FOUND, STATE_DAMAGED
 */
export async function findRejects<Result>(
  folder: string,
  wanted: Wanted,
  use: (found: FoundRejects) => Result | Promise<Result>,
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await use(await find(folder, wanted))
    } catch (error) {
      if (!isGone(error, folder)) throw error
      if (attempt === MOST_ATTEMPTS)
        throw new SluiceError('STATE_DAMAGED', 'a file of rejects is not there', {
          cause: error,
          hint: 'run `sluice verify` to see what is lost',
        })
    }
  }
}

const MOST_ATTEMPTS = 5

/** Other files may be missing too: custom code reads what it wants. */
function isGone(error: unknown, folder: string): boolean {
  const path = error instanceof Error && 'path' in error ? error.path : undefined
  return systemCode(error) === 'ENOENT' && typeof path === 'string' && dirname(path) === rejectsFolder(folder)
}

/** Of this process. */
const indexes = new RejectIndexes()

async function find(folder: string, { filter, ids }: Wanted): Promise<FoundRejects> {
  const { rows, evicted } = await readState(folder, readRows)
  const all = await indexes.of(folder, rows)
  const groups = new Map<string, Kind & { count: number }>()
  const files: FoundInFile[] = []
  let [total, withoutTime] = [0, 0]
  for (const [at, file] of all.entries()) {
    const isThere = isPending(rows[at])
    const times = new Map(partsOf(rows[at]).map(({ epoch, committedAt }) => [epoch, committedAt]))
    const isChosen = filter && chooserOf(filter)
    const hasText = filter?.text === undefined ? undefined : await linesWith(filter.text.toLowerCase(), file)
    const numbers: number[] = []
    const counts = new Map<Kind, number>()
    for (let number = 0; number < file.count; number++) {
      const id = file.idOf(number)
      if (!isThere(id)) continue
      const [kind, time] = [file.kindOf(number), times.get(id.epoch)]
      counts.set(kind, (counts.get(kind) ?? 0) + 1)
      total++
      if (time === undefined) withoutTime++
      const isInFilter = isChosen?.({ id, kind, time }) === true && hasText?.has(number) !== false
      if (isInFilter || ids?.has(`${id.epoch}-${id.at}`) === true) numbers.push(number)
    }
    for (const [kind, count] of counts) addTo(groups, kind, count)
    files.push({ file, numbers, timeOf: (epoch) => times.get(epoch) })
  }
  return {
    evicted,
    total,
    withoutTime,
    groups: [...groups.values()].toSorted((a, b) => b.count - a.count),
    files,
  }
}

function readRows(state: StateReader) {
  return { rows: state.localRejects(), evicted: state.rejectCounts.evicted }
}

function addTo(groups: Map<string, Kind & { count: number }>, { code, stage }: Kind, count: number): void {
  const name = JSON.stringify([code, stage])
  const group = groups.get(name) ?? { code, stage, count: 0 }
  groups.set(name, group)
  group.count += count
}

interface Candidate {
  readonly id: RejectId
  readonly kind: Kind
  readonly time: number | undefined
}

/** All of a filter but its text. */
function chooserOf({ code, stage, since, until, upTo }: RejectFilter): (candidate: Candidate) => boolean {
  const newest = upTo === undefined ? undefined : parseRejectId(upTo)
  return ({ id, kind, time }) =>
    (code === undefined || kind.code === code) &&
    (stage === undefined || kind.stage === stage) &&
    (since === undefined || (time !== undefined && time >= since)) &&
    (until === undefined || (time !== undefined && time < until)) &&
    (newest === undefined || !isNewer(id, newest))
}

/** Numbers of the lines that have a text, which is in lower case. */
async function linesWith(text: string, { path }: FileIndex): Promise<Set<number>> {
  const found = new Set<number>()
  let number = 0
  for await (const line of linesOf(createReadStream(path))) {
    if (line.toString().toLowerCase().includes(text)) found.add(number)
    number++
  }
  return found
}

/** Reads lines of a file of rejects. @throws the error of the system */
export function* readRejects(file: FileIndex, numbers: Iterable<number>): Generator<LocalReject, void> {
  const descriptor = openSync(file.path, 'r')
  try {
    for (const number of numbers) {
      const { offset, length } = file.placeOf(number)
      const bytes = Buffer.alloc(length)
      if (readSync(descriptor, bytes, 0, length, offset) < length)
        throw new SluiceError('STATE_DAMAGED', `${file.path} is shorter than it was`)
      yield parseLocalReject(bytes.toString())
    }
  } finally {
    closeSync(descriptor)
  }
}
