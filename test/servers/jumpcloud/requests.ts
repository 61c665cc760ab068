import type { IncomingHttpHeaders } from 'node:http'

/** A request as it came, and what became of it. */
export interface LoggedRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  body: string
  /** The `x-org-id` sent, or the only organisation. */
  readonly org: string | undefined
  /** Arrival by the server's clock, epoch milliseconds. */
  readonly time: number
  /** Arrival by a clock that nobody sets, milliseconds. */
  readonly arrived: number
  /** 0 while unanswered, and for ever after a reset or a hang. */
  status: number
}

/** The largest number of one organisation's requests that arrived within any 1000 ms. Arrivals jitter: allow a client one more than its pace. */
export function maxRequestsPerSecond(requests: readonly LoggedRequest[], org: string): number {
  const arrivals = requests.filter((request) => request.org === org).map((request) => request.arrived)
  let most = 0
  for (let last = 0, first = 0; last < arrivals.length; last++) {
    while (arrivals[last] - arrivals[first] >= 1000) first++
    most = Math.max(most, last - first + 1)
  }
  return most
}

/** A token bucket per organisation: `rate` requests per second, as many at once after a pause. */
export function createRateLimit(rate: number | undefined): (org: string) => boolean {
  const size = Math.max(1, rate ?? 1)
  const buckets = new Map<string, { tokens: number; at: number }>()
  return (org) => {
    if (rate === undefined) return true
    const now = performance.now()
    const bucket = buckets.get(org) ?? { tokens: size, at: now }
    const tokens = Math.min(size, bucket.tokens + ((now - bucket.at) / 1000) * rate)
    const allowed = tokens >= 1
    buckets.set(org, { tokens: allowed ? tokens - 1 : tokens, at: now })
    return allowed
  }
}
