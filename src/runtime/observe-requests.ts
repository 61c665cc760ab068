import { pipeline, Transform } from 'node:stream'
import type { Exchange, ExchangeLayer, ExchangeResponse } from '../network/exchange.ts'
import { clockAhead } from '../network/clock-ahead.ts'
import type { RunEvents } from '../observe/bus/run-events.ts'
import { systemClock } from '../clock.ts'
import type { Clock } from '../clock.ts'

/** Publishes each request of a source, if somebody listens. Otherwise it passes the requests on. */
export function observeRequests(
  events: RunEvents,
  layer: ExchangeLayer = (send) => send,
  clock: Clock = systemClock,
): ExchangeLayer {
  return (send) => {
    const exchange = layer(send)
    return (request) =>
      events.wants('sluice:source:request') ? observed({ events, exchange, clock }, request) : exchange(request)
  }
}

interface Observation {
  readonly events: RunEvents
  readonly exchange: Exchange
  readonly clock: Clock
}

async function observed(
  { events, exchange, clock }: Observation,
  request: Parameters<Exchange>[0],
): Promise<ExchangeResponse> {
  const { method, origin } = request
  const started = performance.now()
  const since = (): number => performance.now() - started
  try {
    const response = await exchange(request)
    const { statusCode: status, headers } = response
    const headersAfter = since()
    const ahead = clockAhead(headers, clock.now())
    let bytes = 0
    const body = new Transform({
      // A custom source may give a body of any chunks: they leave as they came.
      objectMode: true,
      transform(chunk: unknown, _encoding, done) {
        if (typeof chunk === 'string' || chunk instanceof Uint8Array) bytes += Buffer.byteLength(chunk)
        done(null, chunk)
      },
    })
    // A reader that destroys its side ends the request, as it would without us.
    pipeline(response.body, body, () => {
      const statusClass = `${Math.floor(status / 100)}xx`
      const facts = { method, origin, status, statusClass, bytes, headersAfter, clockAhead: ahead }
      events.publish('sluice:source:request', { ...facts, milliseconds: since() })
    })
    return { statusCode: status, headers, body }
  } catch (error) {
    events.publish('sluice:source:request', { method, origin, statusClass: 'none', bytes: 0, milliseconds: since() })
    throw error
  }
}
