import type { JSX } from 'preact'
import type { PipelineRow } from '../../../src/ui/api.ts'
import { describeBottleneck } from '../drawing/trouble.ts'
import { formatBytes, formatCount, formatRate, plural, safe } from '../format.ts'
import { pathOfPipeline, pathOfRejects, pathOfWorkbench } from '../route.ts'
import { rowOf } from '../state/overview.ts'
import { Badge, StateBadge } from './badge.tsx'
import { Age, Ago } from './moment.tsx'
import { Sparkline } from './sparkline.tsx'
import { Text } from './text.tsx'

/** Only this row is drawn again when its pipeline changes. */
export function OverviewRow({ name }: { readonly name: string }): JSX.Element | null {
  const row = rowOf(name)?.value
  if (row === undefined) return null
  const { rejects, waiting } = row
  return (
    <tr role="row">
      <th scope="row" role="rowheader">
        <a class="two-lines" href={pathOfPipeline(name)} title={safe(name)}>
          {safe(name)}
        </a>
        {row.description !== undefined && (
          <span class="description two-lines" title={safe(row.description)}>
            {safe(row.description)}
          </span>
        )}
      </th>
      <td role="cell" data-label="State">
        <StateBadge row={row} />
        {row.trouble !== undefined && <Line text={row.trouble} />}
        {row.bottleneck && <Line text={describeBottleneck(row.bottleneck)} />}
      </td>
      <td role="cell" class="number" data-label="Freshness">
        <Age at={row.readUpToAt} />
      </td>
      <td role="cell" class="number" data-label="Last commit">
        <Ago at={row.committedAt} none={row.state === 'unreadable' ? '–' : 'never'} />
      </td>
      <td role="cell" class="number throughput" data-label="Throughput">
        {(row.state === 'running' || row.sparkline.some((rate) => rate > 0)) && <Sparkline values={row.sparkline} />}
        <Rate row={row} />
      </td>
      <td role="cell" class="number" data-label="Rejects">
        {rejects === undefined ? (
          <None />
        ) : rejects === 0 ? (
          <span class="faint">0</span>
        ) : (
          <a class="is-warning" href={pathOfRejects(name)} title={`Rejects of ${safe(name)}`}>
            {formatCount(rejects)}
          </a>
        )}
      </td>
      <td role="cell" class="number" data-label="Waiting for upload">
        {waiting === undefined ? <None /> : <Waiting waiting={waiting} />}
      </td>
      <td role="cell" class="attention" data-label="Attention">
        <Attention row={row} />
      </td>
    </tr>
  )
}

function Line({ text }: { readonly text: string }): JSX.Element {
  return (
    <span class="line">
      <Text text={text} />
    </span>
  )
}

function None(): JSX.Element {
  return <span class="faint">–</span>
}

function Rate({ row: { state, recordsPerSecond = 0 } }: { readonly row: PipelineRow }): JSX.Element {
  if (state !== 'running') return <span class="faint rate">–</span>
  return <span class="rate">{formatRate(recordsPerSecond)} records/s</span>
}

function Waiting({
  waiting: { objects, bytes },
}: {
  readonly waiting: NonNullable<PipelineRow['waiting']>
}): JSX.Element {
  if (objects === 0) return <span class="faint">0</span>
  return (
    <>
      {plural(objects, 'object')}
      <span class="line">{formatBytes(bytes)}</span>
    </>
  )
}

function Attention({
  row: { name, alerts, errors = 0, warnings = 0, isMissing },
}: {
  readonly row: PipelineRow
}): JSX.Element {
  if (alerts.length === 0 && errors === 0 && warnings === 0 && !isMissing) return <None />
  return (
    <ul class="plain-list">
      {isMissing && <Item badge={<Badge tone="warning" text="No file" />} text="It has no file in pipelines/" />}
      {errors > 0 && (
        <Item badge={<Badge tone="error" text="File" />} text={plural(errors, 'error')} href={pathOfWorkbench(name)} />
      )}
      {warnings > 0 && (
        <Item
          badge={<Badge tone="warning" text="File" />}
          text={plural(warnings, 'warning')}
          href={pathOfWorkbench(name)}
        />
      )}
      {alerts.map(({ alert, text }) => (
        <Item key={`${alert} ${text}`} badge={<Badge tone="error" text="Alert" />} text={text} title={alert} />
      ))}
    </ul>
  )
}

interface ItemProps {
  readonly badge: JSX.Element
  readonly text: string
  readonly title?: string
  /** Where it can be fixed. */
  readonly href?: string
}

function Item({ badge, text, title, href }: ItemProps): JSX.Element {
  return (
    <li title={title}>
      {badge} {href === undefined ? <Text text={text} /> : <a href={href}>{text}</a>}
    </li>
  )
}
