import type { CheckedPipeline } from '../config/pipeline.ts'
import { tenantsOf } from '../runtime/tenants.ts'
import type { PipelineDetail } from './api.ts'

type Partition = PipelineDetail['partitions'][number]

/** The source partitions of the tenants of a pipeline file, and their names. Empty if it has no tenants. */
export function tenantPartitions(pipeline: CheckedPipeline): ReadonlyMap<string, string> {
  const { declaration } = pipeline.source
  if (declaration.tenants === undefined) return new Map()
  try {
    // A source without tenants in its file has a reader without a name.
    const named = tenantsOf(pipeline).filter((tenant) => tenant !== '')
    return new Map(named.map((tenant) => [`${declaration.type}:${tenant}`, tenant]))
  } catch {
    // A custom source that names a tenant twice, or throws: the run reports it.
    return new Map()
  }
}

/** Says which partitions are of tenants, and adds the tenants of which nothing is committed. */
export function withTenants(partitions: readonly Partition[], tenants: ReadonlyMap<string, string>): Partition[] {
  const committed = new Set(partitions.map(({ partition }) => partition))
  const missing = [...tenants].filter(([partition]) => !committed.has(partition))
  return [
    ...partitions.map((one) => ({ ...one, ...tenantOf(one.partition, tenants) })),
    ...missing.map(([partition, tenant]) => ({ partition, tenant, isCommitted: false })),
  ]
}

function tenantOf(partition: string, tenants: ReadonlyMap<string, string>): { tenant?: string } {
  const tenant = tenants.get(partition)
  return tenant === undefined ? {} : { tenant }
}
