import type { JSX } from 'preact'
import { safe } from '../format.ts'
import { BottleneckNote, Drawing } from '../drawing/drawing.tsx'
import { Charts } from '../parts/charts.tsx'
import { Epochs } from '../parts/epochs.tsx'
import { Failure, Loading } from '../parts/failure.tsx'
import { Figures } from '../parts/figures.tsx'
import { Ledger } from '../parts/ledger.tsx'
import { Log } from '../parts/log.tsx'
import { Objects } from '../parts/objects.tsx'
import { Outbox } from '../parts/outbox.tsx'
import { Panel } from '../parts/panel.tsx'
import { Partitions } from '../parts/partitions.tsx'
import { Problems } from '../parts/problems.tsx'
import { Rejects } from '../parts/rejects.tsx'
import { RunBanner } from '../parts/run-banner.tsx'
import { Shards } from '../parts/shards.tsx'
import { pathOfWorkbench } from '../route.ts'
import type { PipelineState } from '../state/pipeline.ts'

/** One pipeline: its drawing with live numbers, and everything that is known of its run and its state. */
export function Pipeline({ state }: { readonly state: PipelineState }): JSX.Element {
  const failure = state.failure.value
  const isKnown = state.detail.value !== undefined
  return (
    <>
      <div class="screen-head">
        <h1 tabIndex={-1} class="wraps">
          {safe(state.name)}
        </h1>
        <Description state={state} />
        {state.detail.value?.row.isMissing === false && <a href={pathOfWorkbench(state.name)}>Workbench</a>}
      </div>
      {failure !== undefined && !isKnown && <Failure failure={failure} />}
      {failure === undefined && !isKnown && <Loading what="the pipeline" />}
      {isKnown && <Known state={state} />}
    </>
  )
}

function Description({ state }: { readonly state: PipelineState }): JSX.Element | null {
  const text = state.detail.value?.row.description
  return text === undefined ? null : <p class="faint wraps">{safe(text)}</p>
}

function Known({ state }: { readonly state: PipelineState }): JSX.Element {
  return (
    <>
      <RunBanner state={state} />
      <Figures state={state} />
      <Problems state={state} />
      <div class="panels">
        <Panel id="drawing" title="Pipeline" isWide note={<BottleneckNote state={state} />}>
          <Drawing state={state} />
        </Panel>
        <Shards state={state} />
        <Charts state={state} />
        <Ledger state={state} />
        <Outbox state={state} />
        <Rejects state={state} />
        <Partitions state={state} />
        <Epochs state={state} />
        <Objects state={state} />
        <Log state={state} />
      </div>
    </>
  )
}
