import type { PositionSummary } from '../component.ts'
import type { Json } from '../record/json/json.ts'
import { builtIns, findComponent } from '../registry.ts'

/**
 * What a stored position of a built-in source says. Custom sources are not loaded: it needs no pipeline
 * file, and none of their code runs.
 */
export async function describePosition(partition: string, position: Json): Promise<PositionSummary> {
  const known = builtIns.find(({ kind, type }) => kind === 'source' && partition.startsWith(`${type}:`))
  const source = known && (await findComponent('source', known.type))
  return (source?.kind === 'source' ? source.describePosition?.(position) : undefined) ?? {}
}
