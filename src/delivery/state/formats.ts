/*
 * The versions of everything in a state folder, and how the state of an older Sluice becomes one of this
 * Sluice.
 *
 * The owner migrates when it opens the state: one transaction for each step, with the number of the new
 * format, so a crash leaves the old format or the new one. Other processes read an older format as it is:
 * `StateReader` completes rows that lack later members, and knows nothing else of formats.
 *
 * | format | since then                                                                                |
 * | ------ | ----------------------------------------------------------------------------------------- |
 * | 4      | dedup keys say how they are made (`fingerprint.ts`)                                       |
 * | 5      | the same, of a replica, of a state that was given away, or with a parallel backfill       |
 * | 6      | for all states; files of rejects can be merged; totals have a line for each sink          |
 *
 * A new format needs a row here, a step in `MIGRATIONS`, and a stored sample, see
 * `test/delivery/state/migration.test.ts`. A member that is new, and means nothing where it is absent,
 * needs none of that.
 */
import { SluiceError } from '../../errors.ts'
import { readVersion } from '../../package.ts'
import { withSinks } from '../tally.ts'
import type { Tally } from '../tally.ts'
import type { Database } from './database.ts'
import type { ChangeRow, Meta } from './rows.ts'
import { put, transact } from './transact.ts'

/** The format that this Sluice writes. */
export const FORMAT = 6

/** What turns a format into the next one. Runs inside a transaction. */
type Migration = (db: Database) => void

/** By the format that they begin with. */
const MIGRATIONS: ReadonlyMap<number, Migration> = new Map<number, Migration>([
  [4, () => {}],
  [5, completeTotals],
])

function completeTotals(db: Database): void {
  const tally: Tally | undefined = db.get('tally')
  if (tally) put(db, 'tally', withSinks(tally))
}

/** The oldest format that is migrated. */
const OLDEST = Math.min(...MIGRATIONS.keys())

/** @throws SluiceError STATE_MISMATCH for a format that this Sluice can neither read nor migrate */
export function checkFormat({ format, sluice }: Pick<Meta, 'format' | 'sluice'>, what = 'the state'): void {
  if (format >= OLDEST && format <= FORMAT) return
  const versions = `this is Sluice ${readVersion()}, which reads the formats ${OLDEST} to ${FORMAT}`
  if (format < OLDEST) {
    throw new SluiceError('STATE_MISMATCH', `${what} has format ${format}; ${versions}`, {
      hint: 'use the version of Sluice that created the state, or move its folder away to start over',
    })
  }
  const newer = sluice === undefined ? 'a newer version' : `Sluice ${sluice}`
  throw new SluiceError('STATE_MISMATCH', `${what} has format ${format}, written by ${newer}; ${versions}`, {
    hint: `use ${newer === 'a newer version' ? newer : `${newer} or a later one`}: an older one cannot continue the work of a newer one`,
  })
}

/**
 * Turns a state that this process owns, and whose format was checked, into one of this format.
 * @param at milliseconds since 1970
 */
export async function migrate(db: Database, folder: string, stored: Meta, at: number): Promise<Meta> {
  let meta = stored
  while (meta.format < FORMAT) {
    const before = meta
    meta = await transact(db, folder, () => migrateOnce(db, before, at))
  }
  return meta
}

function migrateOnce(db: Database, meta: Meta, at: number): Meta {
  MIGRATIONS.get(meta.format)?.(db)
  const next = { ...meta, format: meta.format + 1, sluice: readVersion() }
  put(db, 'meta', next)
  if (next.format === FORMAT) putMigrated(db, at)
  return next
}

function putMigrated(db: Database, at: number): void {
  const changes = [...db.getRange({ start: ['change', -1], end: ['change', Infinity] })]
  const last: ChangeRow | undefined = changes.at(-1)?.value
  const number = (last?.number ?? 0) + 1
  const what = `to format ${FORMAT}, by Sluice ${readVersion()}`
  put(db, ['change', number], { number, at, action: 'migrate', what } satisfies ChangeRow)
}
