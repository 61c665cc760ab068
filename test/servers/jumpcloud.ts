import { once } from 'node:events'
import { createServer } from 'node:http'
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
import { DAY, MINUTE } from '../../src/time.ts'
import { listen } from '../support/listen.ts'

/** Times are epoch milliseconds, shares are 0 to 1. */
export interface JumpCloudOptions {
  /** Determines everything except keys, tokens and request ids. Default: 1. */
  readonly seed?: number
  /** Events per organization. Default: 1000. */
  readonly events?: number
  /** Number of organizations, or the options of each. Default: 1. */
  readonly organizations?: number | readonly OrganizationOptions[]
  /** Timestamps are in `[start, end)`. Default: the 24 hours before `now`. */
  readonly start?: number
  readonly end?: number
  readonly shape?: 'one' | 'mixed'
  /** Server time at its start. Default: the real time. */
  readonly now?: number
  /** Server time changes only when it is set. Default: it runs. */
  readonly frozen?: boolean
  /** An older `start_time` is refused. Default: 90. */
  readonly retentionDays?: number
  /** True if an event exactly at `end_time` is included. Default: true. */
  readonly endInclusive?: boolean
  /** True if pages are compressed for clients that accept gzip. Default: true. */
  readonly gzip?: boolean
  /** Requests per second and organization; more get 429. Default: no limit. */
  readonly rate?: number
  /** Lifetime of a token in server time. Default: 3600. */
  readonly tokenSeconds?: number
  readonly late?: Late
  readonly straggler?: Straggler
  readonly early?: Early
  /**
   * Share of the events that are listed twice in a row, also across a page boundary. Default: 0.
   */
  readonly repeats?: number
  /** True if each page starts with the last event of the previous page. */
  readonly repeatAtPageBorders?: boolean
  /** Services that `["all"]` leaves out. Default: none. */
  readonly missingFromAll?: readonly string[]
  /** True if error bodies contain the request with its headers, including the key. */
  readonly echoErrors?: boolean
  /** Seed for faults with a `probability`. */
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
   * Number of distinct events that are visible now, per organization id. Ignores retention, so that
   * the clock can advance. `before` counts only events with an earlier timestamp.
   */
  totals(before?: number): Record<string, number>
  /** The ids that `totals` counts for an organization, by time. */
  allIds(org: string, before?: number): Generator<string>
  maxRequestsPerSecond(org: string): number
  /** Replaces the key and the client secret, and refuses the old ones unless it keeps them. */
  rotate(options?: { readonly keepOld?: boolean }): Credentials
  /** Closes all connections, with or without a response. */
  close(): Promise<void>
}

/** Starts an emulation of JumpCloud's Directory Insights API on a free local port. */
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
  // Longer than any test: dropping a connection that a client is about to reuse would look like a
  // fault.
  server.keepAliveTimeout = 10 * MINUTE
  const origin = `http://127.0.0.1:${await listen(server)}`

  function* visible(organization: Organization, before: number): Generator<number> {
    const { events } = organization
    for (let index = 0; index < events.count && events.millis(index) < before; index++)
      if (organization.isVisible(index, clock.now())) yield index
  }

  return {
    ...auth.credentials,
    rotate: auth.rotate,
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

function countOf(items: Iterable<unknown>): number {
  let count = 0
  for (const _ of items) count++
  return count
}

/**
 * `node build/test/servers/jumpcloud.js --events 1000000 --seed 7` prints one JSON line, then
 * serves until SIGTERM. `--options` takes `JumpCloudOptions` as JSON; each `--fault` takes a
 * `FaultRule`.
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
