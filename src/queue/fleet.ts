import { SluiceError, errorCodes } from '../errors.ts'
import type { Note } from '../observe/messages/table.ts'
import { plural } from '../observe/report.ts'
import { MINUTE, SECOND } from '../time.ts'
import type { Connection } from './connection.ts'
import { Roster } from './roster.ts'
import type { Refusal } from './roster.ts'
import type { Seal } from './seal.ts'

interface FleetOptions {
  readonly connection: Connection
  readonly seal: Seal
  readonly run: string
  readonly note: Note
}

/** Shards in Redis while no worker is there, and the most that there may be: each result takes some MB. */
const LEAST = 4
const MOST = 2000
/** Milliseconds that all workers refuse the run before it fails: others may be about to start. */
const GRACE = 15 * SECOND

/** The workers as the coordinator sees them. */
export class Fleet {
  readonly #options: FleetOptions
  readonly #roster: Roster
  readonly #said = new Set<string>()
  #slots = 0
  #aloneSince: number | undefined
  #refusedSince: number | undefined
  #saidAloneAt = 0

  constructor(options: FleetOptions) {
    this.#options = options
    this.#roster = new Roster(options.connection, options.seal)
  }

  /** Two for each shard that workers can execute at once, so that the next one is there. */
  get capacity(): number {
    return Math.min(MOST, Math.max(LEAST, 2 * this.#slots))
  }

  /**
   * Looks who is there.
   * @param isNeeded True while shards wait for a worker.
   * @throws SluiceError WORKERS_REFUSED if every worker has refused the run for some time
   */
  async look(isNeeded: boolean): Promise<void> {
    const workers = await this.#roster.list()
    const refusals = await this.#roster.refusals(this.#options.run)
    const refused = workers.flatMap((worker) => {
      if ('hasOtherKey' in worker) return [{ worker: worker.id, ...OTHER_KEY }]
      return refusals.get(worker.id) ?? []
    })
    for (const refusal of refused) this.#report(refusal)
    const usable = workers.flatMap((worker) =>
      'hasOtherKey' in worker || worker.isDraining || refusals.has(worker.id) ? [] : [worker],
    )
    this.#slots = usable.reduce((sum, { concurrency }) => sum + concurrency, 0)
    const isAlone = isNeeded && usable.length === 0
    this.#refusedSince = isAlone && refused.length > 0 ? (this.#refusedSince ?? Date.now()) : undefined
    this.#aloneSince = isAlone && refused.length === 0 ? (this.#aloneSince ?? Date.now()) : undefined
    if (
      this.#refusedSince !== undefined &&
      Date.now() - this.#refusedSince > Math.min(GRACE, this.#options.connection.patience)
    )
      throw refusedByAll(refused)
    if (this.#aloneSince !== undefined) this.#reportAlone(Date.now() - this.#aloneSince)
  }

  #report({ worker, code, message }: Refusal): void {
    const said = `${worker} ${code} ${message}`
    if (!this.#said.has(said)) this.#options.note('queue.worker-refuses', { worker, error: code, reason: message })
    this.#said.add(said)
  }

  #reportAlone(since: number): void {
    if (since < 10 * SECOND || Date.now() - this.#saidAloneAt < 5 * MINUTE) return
    this.#saidAloneAt = Date.now()
    this.#options.note('queue.alone', {
      queue: this.#options.connection.address.name,
    })
  }
}

const OTHER_KEY = { code: 'QUEUE_KEY_INVALID', message: 'it has another SLUICE_QUEUE_KEY' }

function refusedByAll([first, ...others]: readonly Refusal[]): SluiceError {
  const who = others.length === 0 ? 'the only worker refuses' : `all of ${plural(others.length + 1, 'worker')} refuse`
  const code = first !== undefined && first.code in errorCodes ? `${first.code}: ` : ''
  return new SluiceError('WORKERS_REFUSED', `${who} the run: ${code}${first?.message ?? ''}`, {
    hint: first?.hint ?? 'correct that for the workers, then run the same command again',
  })
}
