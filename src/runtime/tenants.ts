import { setTimeout as sleep } from 'node:timers/promises'
import type { Source, SourceDeclaration } from '../component.ts'
import type { CheckedComponent, CheckedPipeline } from '../config/pipeline.ts'
import { nameOf, ownerOf } from '../delivery/replicas/replica.ts'
import type { Replica } from '../delivery/replicas/replica.ts'
import { SluiceError } from '../errors.ts'
import type { Note } from '../observe/messages/table.ts'

/**
 * The tenants of a pipeline's source, if it can be divided among replicas.
 * @throws SluiceError UNSUPPORTED if it cannot, SOURCE_FAILED if a tenant is named twice
 */
export function tenantsOf({ source }: { readonly source: CheckedComponent<SourceDeclaration> }): readonly string[] {
  const { declaration, config, stage } = source
  if (declaration.tenants === undefined) {
    throw new SluiceError('UNSUPPORTED', `the source ${stage} cannot be divided among replicas: it names no tenants`, {
      hint: 'run it without --shard, in one process; http and jumpcloud can be divided, and a custom source that declares `tenants`; archives are divided by `sluice backfill`',
    })
  }
  const tenants = declaration.tenants(config)
  const twice = tenants.find((tenant, at) => tenants.indexOf(tenant) < at)
  if (twice === undefined) return tenants
  throw new SluiceError('SOURCE_FAILED', `tenants of source ${stage} names ${JSON.stringify(twice)} twice`)
}

/** The tenants that a replica collects. Says in the log which these are. */
export function selectTenants(pipeline: CheckedPipeline, replica: Replica, note: Note): ReadonlySet<string> {
  const all = tenantsOf(pipeline)
  const owner = (tenant: string): number => ownerOf(pipeline.name, tenant, replica.count)
  const own = all.filter((tenant) => owner(tenant) === replica.number)
  const me = nameOf(replica)
  const [only = ''] = all
  if (all.length > 1) {
    const shown = own.slice(0, MAX_SHOWN)
    const more = own.length > shown.length ? `, and ${own.length - shown.length} more` : ''
    const tenants = own.length > 0 ? shown.join(', ') + more : undefined
    note('replica.tenants', { replica: me, own: own.length, all: all.length, tenants })
  } else if (own.length === 1) note('replica.only', { replica: me })
  else {
    const other = nameOf({ number: owner(only), count: replica.count })
    note('replica.idle', { replica: me, other })
  }
  return new Set(own)
}

const MAX_SHOWN = 20

/** In place of the source of a replica without tenants. It waits as the source would. */
export const idleSource: Source = {
  // eslint-disable-next-line require-yield
  async *read({ follow, signal }) {
    if (!follow) return
    while (!signal.aborted) await sleep(LONGEST_TIMER, undefined, { signal }).catch(() => undefined)
  },
}

/** Milliseconds; the longest that `setTimeout` takes. */
const LONGEST_TIMER = 2 ** 31 - 1

/** @throws SluiceError SOURCE_FAILED if a source reads a tenant of another replica */
export function checkTenant(type: string, tenant: string, tenants: ReadonlySet<string>): void {
  if (tenants.has(tenant)) return
  throw new SluiceError(
    'SOURCE_FAILED',
    `source ${type} yielded a record of tenant ${JSON.stringify(tenant)}, which another replica collects`,
    {
      hint: 'read only the tenants in `options.tenants`',
    },
  )
}
