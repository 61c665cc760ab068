import { pipeline, Transform } from 'node:stream'
import type { Exchange, ExchangeLayer, ExchangeResponse } from '../network/exchange.ts'
import type { RunEvents } from '../observe/bus/run-events.ts'

/** Publishes each request of a source, if somebody listens. Otherwise it passes the requests on. */
export function observeRequests(events: RunEvents, layer: ExchangeLayer = (send) => send): ExchangeLayer {
  return (send) => {
    const exchange = layer(send)
    return (request) =>
      events.wants('sluice:source:request') ? observed(events, request, exchange) : exchange(request)
  }
}

async function observed(
  events: RunEvents,
  request: Parameters<Exchange>[0],
  exchange: Exchange,
): Promise<ExchangeResponse> {
  const { method, origin } = request
  const started = performance.now()
  const since = (): number => performance.now() - started
  try {
    const response = await exchange(request)
    const { statusCode: status, headers } = response
    const headersAfter = since()
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
      const facts = { method, origin, status, statusClass, bytes, headersAfter }
      events.publish('sluice:source:request', { ...facts, milliseconds: since() })
    })
    return { statusCode: status, headers, body }
  } catch (error) {
    events.publish('sluice:source:request', { method, origin, statusClass: 'none', bytes: 0, milliseconds: since() })
    throw error
  }
}
