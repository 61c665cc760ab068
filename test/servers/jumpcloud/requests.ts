import type { IncomingHttpHeaders } from 'node:http'

/** A received request and its outcome. */
export interface LoggedRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  body: string
  /** The `x-org-id` of the request, or the only organization. */
  readonly org: string | undefined
  /** Arrival in server time, epoch milliseconds. */
  readonly time: number
  /** Arrival by a monotonic clock, in milliseconds. */
  readonly arrived: number
  /** 0 until there is a response; stays 0 after a reset or a hang. */
  status: number
}

/**
 * The maximum number of requests of one organization within any 1000 ms. Arrivals jitter: allow one
 * more than the client's rate.
 */
export function maxRequestsPerSecond(requests: readonly LoggedRequest[], org: string): number {
  const arrivals = requests.filter((request) => request.org === org).map((request) => request.arrived)
  let most = 0
  for (let last = 0, first = 0; last < arrivals.length; last++) {
    while (arrivals[last] - arrivals[first] >= 1000) first++
    most = Math.max(most, last - first + 1)
  }
  return most
}

/** A token bucket per organization: `rate` requests per second, with bursts of the same size. */
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
