import { asSluiceError, errorCodes, SluiceError } from '../../errors.ts'
import type { ErrorCode } from '../../errors.ts'
import { systemClock } from '../../clock.ts'
import { MINUTE } from '../../time.ts'
import type { Note } from '../../observe/messages/table.ts'

/** Times to run at, by a cron expression. */
export interface Schedule {
  /** The first time after a moment. @throws SluiceError USAGE if there is none */
  next(after: Date): Date
  /** How many times are between two moments; at most 1000. */
  countBetween(from: Date, to: Date): number
}

/**
 * Parses `--schedule` and `--time-zone`: five fields, or six with seconds first.
 * @throws SluiceError USAGE that names the field
 */
export async function parseSchedule(expression: string, timeZone = 'UTC'): Promise<Schedule> {
  checkTimeZone(timeZone)
  const { Cron } = await import('croner')
  const parse = () => {
    try {
      return new Cron(expression, { paused: true, timezone: timeZone })
    } catch (error) {
      const reason = error instanceof Error ? error.message.replace(/^CronPattern: /, '') : String(error)
      throw unusable(expression, reason)
    }
  }
  const cron = parse()
  const next = (after: Date): Date => {
    const found = cron.nextRun(after)
    if (found === null) throw unusable(expression, 'no time matches it')
    return found
  }
  next(new Date())
  return {
    next,
    countBetween(from, to) {
      let count = 0
      for (let at = next(from); at <= to && count < MAX_COUNTED; at = next(at)) count++
      return count
    },
  }
}

const MAX_COUNTED = 1000

function unusable(expression: string, reason: string): SluiceError {
  return new SluiceError('USAGE', `--schedule "${expression}": ${reason}`, {
    hint: "minute, hour, day of the month, month, day of the week: '*/5 * * * *' is every five minutes; with six fields the first one is the second",
  })
}

function checkTimeZone(timeZone: string): void {
  try {
    Intl.DateTimeFormat('en', { timeZone })
  } catch {
    throw new SluiceError('USAGE', `--time-zone: there is no time zone "${timeZone}"`, {
      hint: 'use a name such as Europe/Berlin, or UTC',
    })
  }
}

interface ScheduledOptions {
  readonly stop: AbortSignal
  readonly note: Note
  /** Runs once. @throws SluiceError as a run of its own would end with */
  readonly run: () => Promise<void>
}

/**
 * Runs at each time of a schedule, never two at once, until it is stopped or a run fails in a way that
 * time does not change.
 * @throws SluiceError INTERRUPTED once it is stopped; the failure that ends it
 */
export async function runOnSchedule(schedule: Schedule, { stop, note, run }: ScheduledOptions): Promise<never> {
  for (;;) {
    const at = schedule.next(new Date())
    note('schedule.waiting', { at: at.toISOString() })
    await sleepUntil(at, stop)
    if (stop.aborted) throw new SluiceError('INTERRUPTED', 'stopped between two runs')
    try {
      await run()
    } catch (error) {
      const { code, message: reason } = asSluiceError(error, 'INTERNAL', 'this is a bug in Sluice')
      if (!mayPass(code)) throw error
      note('schedule.failed', { error: code, reason })
    }
    const missed = schedule.countBetween(at, new Date())
    if (missed > 0) note('schedule.skipped', { skipped: missed })
  }
}

/** The clock of the machine may be corrected meanwhile, or the machine asleep. */
async function sleepUntil(at: Date, stop: AbortSignal): Promise<void> {
  for (let left = at.getTime() - Date.now(); left > 0 && !stop.aborted; left = at.getTime() - Date.now())
    await systemClock.sleep(Math.min(left, MINUTE), stop).catch(() => {})
}

/** True for failures outside: of the source, of the sink, of the records. The next run may succeed. */
function mayPass(code: ErrorCode): boolean {
  const { exit, retryable } = errorCodes[code]
  return retryable || PASSING_STATUSES.has(exit) || PASSING.has(code)
}

/** Source, sink, rejected records. */
const PASSING_STATUSES: ReadonlySet<number> = new Set([3, 4, 5])
const PASSING: ReadonlySet<ErrorCode> = new Set(['STATE_IN_USE', 'DISK_FULL'])
