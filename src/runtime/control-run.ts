import { setTimeout as sleep } from 'node:timers/promises'
import { ControlRequests } from '../delivery/control/control-requests.ts'
import type { ControlHandler } from '../delivery/control/control-requests.ts'
import type { RunEvents } from '../observe/bus/run-events.ts'
import { runLogOf } from '../observe/run-log.ts'
import { statusOf } from '../observe/status/run-status.ts'
import { anySignal } from '../signals.ts'

interface ControlledRun {
  readonly events: RunEvents
  readonly stop: AbortSignal
  /** Commands of the process. Default: none. */
  readonly control?: ControlRequests | undefined
  /** See `tapHandler`. */
  readonly tap: ControlHandler
}

/** A run that can be asked. Call `close` when it is over. */
export interface RunControl {
  readonly control: ControlRequests
  close(): void
}

/** Adds the commands of a run: `status`, `log`, `tap`. Call it before the run publishes its start. */
export function controlRun({ events, stop, control = new ControlRequests(), tap }: ControlledRun): RunControl {
  const status = statusOf(events)
  const log = runLogOf(events)
  const stopping = (): void => status.stopping()
  stop.addEventListener('abort', stopping)
  if (stop.aborted) stopping()
  const ended = new AbortController()
  // The commands stay when the run is over, and end at once: another run of the process may follow.
  const whileItRuns =
    (handler: ControlHandler): ControlHandler =>
    (request, reply) =>
      handler(request, { send: (data) => reply.send(data), gone: anySignal(reply.gone, ended.signal) })
  control.on('status', whileItRuns(answerStatus(events)))
  control.on('log', whileItRuns(answerLog(events)))
  control.on('tap', whileItRuns(tap))
  return {
    control,
    close() {
      stop.removeEventListener('abort', stopping)
      status.close()
      log.close()
      ended.abort()
    },
  }
}

/**
 * `{"command":"status"}` is answered with a snapshot each second, until the peer leaves or the run ends;
 * `interval` (milliseconds) and `count` change that. With a `count` the first one comes after the
 * interval, so that it has rates.
 */
function answerStatus(events: RunEvents): ControlHandler {
  return async ({ interval: wished, count }, reply) => {
    const status = statusOf(events)
    const interval = typeof wished === 'number' ? Math.min(Math.max(wished, LEAST_INTERVAL), MOST_INTERVAL) : SECOND
    const most = typeof count === 'number' ? count : Infinity
    const first = status.snapshot()
    if (most === Infinity) reply.send(first)
    for (let sent = 0; sent < most && !reply.gone.aborted; sent++) {
      await sleep(interval, undefined, { signal: reply.gone, ref: false }).catch(() => undefined)
      reply.send(status.snapshot())
    }
  }
}

/**
 * `{"command":"log"}` is answered with the lines that are kept, and with new ones until the peer leaves or
 * the run ends. They are sent a few times a second, so that a run that logs much is not held up.
 */
function answerLog(events: RunEvents): ControlHandler {
  return async (_request, reply) => {
    const log = runLogOf(events)
    let last = 0
    const send = (): void => {
      const lines = log.after(last)
      last = lines.at(-1)?.number ?? last
      if (lines.length > 0) reply.send({ run: events.run, lines })
    }
    send()
    while (!reply.gone.aborted) {
      await sleep(LINES_INTERVAL, undefined, { signal: reply.gone, ref: false }).catch(() => undefined)
      send()
    }
  }
}

const SECOND = 1000
/** Milliseconds. */
const LINES_INTERVAL = 250
/** Milliseconds: more often, it would be noticed. */
const LEAST_INTERVAL = 100
const MOST_INTERVAL = 60_000
