import type { JSX } from 'preact'
import { plural } from '../format.ts'
import { Loading } from '../parts/failure.tsx'
import { OverviewRow } from '../parts/overview-row.tsx'
import { names, projectFailure, rowOf } from '../state/overview.ts'

/** Every pipeline of the project. */
export function Overview(): JSX.Element {
  const list = names.value
  return (
    <>
      <div class="screen-head">
        <h1 tabIndex={-1}>Pipelines</h1>
        {list !== undefined && list.length > 0 && <Summary list={list} />}
      </div>
      {list === undefined ? (
        projectFailure.value === undefined && <Loading what="the pipelines" />
      ) : list.length === 0 ? (
        <Empty />
      ) : (
        <Table list={list} />
      )}
    </>
  )
}

function Table({ list }: { readonly list: readonly string[] }): JSX.Element {
  return (
    // Roles: as cards on a narrow window it is no table for CSS, and still one for screen readers.
    <table class="overview" role="table" aria-label="Pipelines">
      <thead role="rowgroup">
        <tr role="row">
          {COLUMNS.map(({ title, isNumber }) => (
            <th key={title} scope="col" role="columnheader" class={isNumber ? 'number' : undefined}>
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {list.map((name) => (
          <OverviewRow key={name} name={name} />
        ))}
      </tbody>
    </table>
  )
}

const COLUMNS = [
  { title: 'Pipeline', isNumber: false },
  { title: 'State', isNumber: false },
  { title: 'Freshness', isNumber: true },
  { title: 'Last commit', isNumber: true },
  { title: 'Throughput', isNumber: true },
  { title: 'Rejects', isNumber: true },
  { title: 'Waiting for upload', isNumber: true },
  { title: 'Attention', isNumber: false },
]

function Summary({ list }: { readonly list: readonly string[] }): JSX.Element {
  const rows = list.flatMap((name) => rowOf(name)?.value ?? [])
  const running = rows.filter(({ state }) => state === 'running').length
  const alerts = rows.reduce((sum, row) => sum + row.alerts.length, 0)
  return (
    <p class="faint">
      {plural(rows.length, 'pipeline')}, {running} running, {plural(alerts, 'alert')}
    </p>
  )
}

function Empty(): JSX.Element {
  return (
    <div class="notice">
      <p>
        <strong>This project has no pipelines yet.</strong>
      </p>
      <p>Make the first one. It reads sample events and needs no account:</p>
      <pre>sluice new pipeline NAME --from samples</pre>
      <p class="faint">It appears here by itself.</p>
    </div>
  )
}
