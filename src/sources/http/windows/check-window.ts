import type { Finding } from '../../../component.ts'
import { SluiceError } from '../../../errors.ts'
import type { WindowOptions } from '../options.ts'
import { isAbsolute, parseMoment } from '../../../fields/moment.ts'

/** Finds durations that contradict each other. */
export function* checkWindow(window: WindowOptions | undefined): Generator<Finding> {
  if (window === undefined) return
  const { since, until, step, lag, overlap, sweep, retention } = window
  const now = Date.now()
  const begin = yield* moment(since, ['window', 'since'], now)
  const end = until === undefined ? undefined : yield* moment(until, ['window', 'until'], now)
  if (begin !== undefined && end !== undefined && end <= begin)
    yield { at: ['window', 'until'], message: 'until must be after since' }
  if (step !== undefined && step === 0) yield { at: ['window', 'step'], message: 'step must be more than 0' }
  else if (step !== undefined && overlap >= step)
    yield {
      at: ['window', 'overlap'],
      message: 'overlap must be shorter than step',
      hint: 'otherwise every window re-reads all of the one before',
    }
  if (sweep !== undefined && sweep > 0 && sweep <= overlap)
    yield { at: ['window', 'sweep'], message: 'sweep (look-back) must be longer than overlap', hint: '0s turns it off' }
  if (retention === undefined) return
  if (retention <= lag + overlap)
    yield { at: ['window', 'retention'], message: 'retention must be longer than lag (settling delay) plus overlap' }
  else if (sweep !== undefined && retention <= lag + sweep)
    yield {
      at: ['window', 'sweep'],
      message: 'retention must be longer than lag (settling delay) plus sweep (look-back)',
    }
  if (begin !== undefined && !isAbsolute(since) && now - begin > retention)
    yield {
      at: ['window', 'since'],
      message: 'since is older than retention',
      hint: 'the API no longer has these records: use at most the retention',
    }
}

function* moment(text: string, at: Finding['at'], now: number): Generator<Finding, number | undefined> {
  try {
    return parseMoment(text, now)
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    yield { at, message: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) }
    return undefined
  }
}
