import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { hash32 } from './events/random.ts'
import { createAuth } from './jumpcloud/auth.ts'
import type { Credentials } from './jumpcloud/auth.ts'
import { createClock } from './jumpcloud/clock.ts'
import type { Clock } from './jumpcloud/clock.ts'
import { createFaults } from './jumpcloud/faults.ts'
import type { FaultRule, Faults } from './jumpcloud/faults.ts'
import { BASE_PATH, createHandler } from './jumpcloud/handler.ts'
import { createOrganization } from './jumpcloud/organization.ts'
import type { Early, Late, Organization, OrganizationOptions, Straggler } from './jumpcloud/organization.ts'
import { createRateLimit, maxRequestsPerSecond } from './jumpcloud/requests.ts'
import type { LoggedRequest } from './jumpcloud/requests.ts'

/** Times are epoch milliseconds, shares 0 to 1. */
export interface JumpCloudOptions {
  /** Everything but keys, tokens and request ids follows from it; 1 by default. */
  readonly seed?: number
  /** Events per organisation, 1000 by default. */
  readonly events?: number
  /** How many organisations, or each one's options; 1 by default. */
  readonly organizations?: number | readonly OrganizationOptions[]
  /** Timestamps lie in `[start, end)`: the 24 hours before `now` by default. */
  readonly start?: number
  readonly end?: number
  readonly shape?: 'one' | 'mixed'
  /** The server's time at its start, the real time by default. */
  readonly now?: number
  /** The server's time stands still until it is set; by default it runs. */
  readonly frozen?: boolean
  /** An older `start_time` is refused; 90 by default. */
  readonly retentionDays?: number
  /** Whether an event exactly at `end_time` is found; true by default. */
  readonly endInclusive?: boolean
  /** Whether pages are compressed for clients that take gzip; true by default. */
  readonly gzip?: boolean
  /** Requests per second and organisation above which 429 is answered; no limit by default. */
  readonly rate?: number
  /** Life of a token by the server's clock, 3600 by default. */
  readonly tokenSeconds?: number
  readonly late?: Late
  readonly straggler?: Straggler
  readonly early?: Early
  /** Share of the events that are listed twice in a row, over a page border too; none by default. */
  readonly repeats?: number
  /** Whether each page begins with the event that ended the page before. */
  readonly repeatAtPageBorders?: boolean
  /** Services that `["all"]` leaves out; none by default. */
  readonly missingFromAll?: readonly string[]
  /** Whether error bodies contain the request with its headers, key included. */
  readonly echoErrors?: boolean
  /** Makes the luck of faults with a `probability` repeatable. */
  readonly faultSeed?: number
}

export interface JumpCloudServer extends Credentials {
  /** The base URL, `http://127.0.0.1:<port>/insights/directory/v1`. */
  readonly url: string
  readonly tokenUrl: string
  readonly organizations: readonly Organization[]
  /** Every request, in order of arrival. */
  readonly requests: readonly LoggedRequest[]
  readonly faults: Faults
  readonly clock: Clock
  /**
   * Distinct events per organisation id that the API shows now: retention is not applied, so that the clock may move
   * on. `before` counts only events with an earlier timestamp.
   */
  totals(before?: number): Record<string, number>
  /** The ids that `totals` counts for an organisation, in order of time. */
  allIds(org: string, before?: number): Generator<string>
  maxRequestsPerSecond(org: string): number
  /** Ends all connections, answered or not. */
  close(): Promise<void>
}

/** Starts an emulation of JumpCloud's Directory Insights API on a free loopback port. */
export async function startJumpCloudServer(options: JumpCloudOptions = {}): Promise<JumpCloudServer> {
  const clock = createClock(options.now ?? Date.now(), options.frozen ?? false)
  const organizations = createOrganizations(options, clock.now())
  const auth = createAuth(organizations, clock, options.tokenSeconds ?? 3600)
  const faults = createFaults(options.faultSeed)
  const requests: LoggedRequest[] = []
  const closing = new AbortController()
  const server = createServer(
    createHandler({
      organizations,
      auth,
      clock,
      faults,
      requests,
      allows: createRateLimit(options.rate),
      retentionDays: options.retentionDays ?? 90,
      endInclusive: options.endInclusive ?? true,
      missingFromAll: options.missingFromAll ?? [],
      repeatAtPageBorders: options.repeatAtPageBorders ?? false,
      gzip: options.gzip ?? true,
      echoErrors: options.echoErrors ?? false,
      signal: closing.signal,
    }),
  )
  // Longer than any test: a connection that the server drops while a client reuses it would look like a fault.
  server.keepAliveTimeout = 600_000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${portOf(server.address())}`

  function* visible(organization: Organization, before: number): Generator<number> {
    const { events } = organization
    for (let index = 0; index < events.count && events.millis(index) < before; index++)
      if (organization.isVisible(index, clock.now())) yield index
  }

  return {
    ...auth.credentials,
    url: origin + BASE_PATH,
    tokenUrl: `${origin}/oauth2/token`,
    organizations,
    requests,
    faults,
    clock,
    totals(before = Infinity) {
      return Object.fromEntries(organizations.map((each) => [each.id, countOf(visible(each, before))]))
    },
    *allIds(org, before = Infinity) {
      const organization = organizations.find((each) => each.id === org)
      if (organization === undefined) throw new Error(`no organization ${org}`)
      for (const index of visible(organization, before)) yield organization.events.id(index)
    },
    maxRequestsPerSecond: (org) => maxRequestsPerSecond(requests, org),
    async close() {
      closing.abort()
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

function createOrganizations(options: JumpCloudOptions, now: number): Organization[] {
  const { seed = 1, organizations = 1, events = 1000, end = now, start = end - DAY } = options
  const { shape = 'mixed', late, straggler, early, repeats = 0 } = options
  const list = typeof organizations === 'number' ? Array.from({ length: organizations }, () => ({})) : organizations
  return list.map((each, at) =>
    createOrganization(each, { seed: hash32(seed, at, 0), events, start, end, shape, late, straggler, early, repeats }),
  )
}

const DAY = 86_400_000

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return address.port
}

function countOf(items: Iterable<unknown>): number {
  let count = 0
  for (const _ of items) count++
  return count
}

/**
 * `node build/test/servers/jumpcloud.js --events 1000000 --seed 7` prints one JSON line, then serves until SIGTERM.
 * `--options` takes any of `JumpCloudOptions` as JSON, each `--fault` a `FaultRule`.
 */
async function main(): Promise<void> {
  const text = { type: 'string' } as const
  const faultList = { type: 'string', multiple: true, default: [] as string[] } as const
  const { values } = parseArgs({
    options: { events: text, seed: text, organizations: text, rate: text, options: text, fault: faultList },
  })
  const { fault: faultTexts, options = '{}', ...counts } = values
  const rest: JumpCloudOptions = JSON.parse(options)
  const numbers = Object.fromEntries(Object.entries(counts).map(([name, value]) => [name, Number(value)]))
  const server = await startJumpCloudServer({ ...rest, ...numbers })
  for (const faultText of faultTexts) {
    const rule: FaultRule = JSON.parse(faultText)
    server.faults.add(rule)
  }
  const { url, tokenUrl, apiKey, clientId, clientSecret, faults, organizations } = server
  const ids = organizations.map((each) => each.id)
  const ready = { url, tokenUrl, apiKey, clientId, clientSecret, organizations: ids, faultSeed: faults.seed }
  process.stdout.write(`${JSON.stringify(ready)}\n`)
  await once(process, 'SIGTERM')
  await server.close()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
