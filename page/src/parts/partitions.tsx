import type { JSX } from 'preact'
import type { PipelineDetail } from '../../../src/ui/api.ts'
import { formatUtc, plural } from '../format.ts'
import type { PipelineState } from '../state/pipeline.ts'
import { useFew } from './few.tsx'
import { Age } from './moment.tsx'
import { Panel, TableFrame } from './panel.tsx'
import { TableHead } from './table-head.tsx'
import { Text } from './text.tsx'

type Partition = PipelineDetail['partitions'][number]

/** Committed positions of the source, by tenant if it has tenants. */
export function Partitions({ state }: { readonly state: PipelineState }): JSX.Element {
  const partitions = state.detail.value?.partitions ?? []
  const tenants = partitions.filter(({ tenant }) => tenant !== undefined)
  const others = partitions.filter(({ tenant }) => tenant === undefined)
  if (tenants.length === 0)
    return (
      <Panel id="partitions" title="Freshness by source partition" note={plural(others.length, 'source partition')}>
        <Positions
          name="partitions"
          label="Freshness by source partition"
          column="Source partition"
          partitions={others}
        />
      </Panel>
    )
  return (
    <>
      <Panel id="partitions" title="Tenants" note={plural(tenants.length, 'tenant')}>
        <Positions name="partitions" label="Tenants" column="Tenant" partitions={tenants} />
      </Panel>
      {others.length > 0 && (
        <Panel id="other-partitions" title="Other source partitions" note="tenants that it had, archives">
          <Positions
            name="other-partitions"
            label="Other source partitions"
            column="Source partition"
            partitions={others}
          />
        </Panel>
      )}
    </>
  )
}

interface PositionsProps {
  /** In the address. */
  readonly name: string
  readonly label: string
  readonly column: string
  readonly partitions: readonly Partition[]
}

/** The one that is furthest behind first. */
function Positions({ name, label, column, partitions }: PositionsProps): JSX.Element {
  const sorted = partitions.toSorted((a, b) => orderOf(a) - orderOf(b))
  const { shown, button } = useFew(sorted, { name, few: 10 })
  if (partitions.length === 0) return <p class="faint">Nothing is committed yet.</p>
  return (
    <>
      <TableFrame label={label}>
        <table>
          <TableHead columns={[column, { number: 'Behind' }, 'Committed up to']} />
          <tbody>
            {shown.map((one) => (
              <Row key={one.partition} partition={one} />
            ))}
          </tbody>
        </table>
      </TableFrame>
      {button}
    </>
  )
}

/** What has no position yet is furthest behind; what knows no time is last. */
function orderOf({ readUpToAt, isCommitted }: Partition): number {
  return isCommitted ? (readUpToAt ?? Infinity) : 0
}

function Row({
  partition: { partition, tenant, readUpToAt, detail, isCommitted },
}: {
  readonly partition: Partition
}): JSX.Element {
  return (
    <tr>
      <th scope="row" class="named">
        <Text text={tenant ?? partition} />
      </th>
      <td class="number">
        <Age at={readUpToAt} />
      </td>
      <td>
        {!isCommitted && <span class="faint">Nothing is committed yet.</span>}
        {readUpToAt !== undefined && <span class="no-wrap">{formatUtc(readUpToAt)}</span>}
        {detail !== undefined && (
          <span class="line faint">
            <Text text={detail} />
          </span>
        )}
      </td>
    </tr>
  )
}
