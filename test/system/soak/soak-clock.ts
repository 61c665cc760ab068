import { setImmediate as turn } from 'node:timers/promises'
import { VirtualClock } from '../../../src/inspect/whole/virtual-clock.ts'
import type { ExchangeLayer } from '../../../src/network/exchange.ts'

/**
 * A clock for days in a minute: it stands still while a response is awaited or read, and otherwise
 * moves to the end of the shortest sleep. So nothing is late because the machine is slow.
 * @param moved Called with each new time, before anybody sees it.
 */
export function openSoakClock(start: number, moved: (now: number) => Promise<void>) {
  let open = 0
  /** Counts the responses that are awaited or read. */
  const exchange: ExchangeLayer = (send) => async (request) => {
    open++
    try {
      const response = await send(request)
      response.body.once('close', () => open--)
      return response
    } catch (error) {
      open--
      throw error
    }
  }
  /** Resolves when no response is open, and what it has caused is done. */
  const rest = async (): Promise<void> => {
    for (let quiet = 0; quiet < QUIET_TURNS; quiet++) {
      if (open > 0) quiet = 0
      await turn()
    }
  }
  return { clock: new VirtualClock(start, { rest, moved }), exchange }
}

const QUIET_TURNS = 3
