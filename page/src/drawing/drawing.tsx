import { useComputed } from '@preact/signals'
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { JSX, RefObject } from 'preact'
import { formatShare, safe } from '../format.ts'
import type { PipelineState } from '../state/pipeline.ts'
import { Edges } from './edges.tsx'
import { RejectsBox, RouteBox, SinkBox } from './end-boxes.tsx'
import { planOf, TRANSFORMS } from './plan.ts'
import type { Plan } from './plan.ts'
import { StageBox } from './stage-box.tsx'
import { describeBottleneck } from './trouble.ts'

/** The pipeline from its source to its sinks, with the numbers of its run in each box. */
export function Drawing({ state }: { readonly state: PipelineState }): JSX.Element {
  // A plan is made again only if its boxes change, not for each snapshot of the run.
  const key = useComputed(() => {
    const { snapshot, detail } = state
    const graph = detail.value?.graph
    return JSON.stringify(graph ?? snapshot.value?.stages.map(({ stage }) => stage) ?? [])
  }).value
  const plan = useMemo(() => planOf(state.detail.peek()?.graph, state.snapshot.peek()), [key])
  if (plan === undefined) return <p class="faint">{reasonOf(state)}</p>
  return <Boxes plan={plan} state={state} />
}

/** Why there is no drawing. */
function reasonOf({ detail }: PipelineState): string {
  const row = detail.value?.row
  if (row?.isMissing === true) return 'There is no pipeline file to draw.'
  return (row?.errors ?? 0) > 0 ? 'It cannot be drawn while its file has errors.' : 'The file is not checked yet.'
}

/** Also beside the drawing: in a long one, the box may be out of sight. */
export function BottleneckNote({ state }: { readonly state: PipelineState }): JSX.Element | null {
  const bottleneck = state.snapshot.value?.bottleneck
  if (bottleneck === undefined) return null
  return (
    <>
      {safe(describeBottleneck(bottleneck))}, {formatShare(bottleneck.share)} of the time
    </>
  )
}

function Boxes({ plan, state }: { readonly plan: Plan; readonly state: PipelineState }): JSX.Element {
  const { source, transforms, delivery, routes, sinks, rejects, edges } = plan
  const container = useRef<HTMLDivElement>(null)
  const frame = useRef<HTMLDivElement>(null)
  const columns = useColumns(frame, transforms.length)
  const rows = Math.ceil(transforms.length / columns)
  const style = columns > 1 ? { gridTemplateRows: `repeat(${rows}, auto)` } : {}
  return (
    <div class={`drawing${routes.length > 0 ? ' has-routes' : ''}`} ref={container}>
      <Edges edges={edges} sinks={sinks} state={state} container={container} />
      <div class="chain">
        <StageBox node={source} state={state} />
        {transforms.length > 0 && (
          <div
            class={columns > 1 ? 'transforms has-columns' : 'transforms'}
            data-node={TRANSFORMS}
            ref={frame}
            style={style}
          >
            {transforms.map((node, at) => (
              <StageBox key={node.id} node={node} number={at + 1} state={state} />
            ))}
          </div>
        )}
        <StageBox node={delivery} state={state} />
      </div>
      {routes.length > 0 && (
        <div class="routes">
          {routes.map((node) => (
            <RouteBox key={node.id} node={node} />
          ))}
        </div>
      )}
      <div class="ends">
        <div class="sinks">
          {sinks.map((node) => (
            <SinkBox key={node.id} node={node} state={state} />
          ))}
        </div>
        <RejectsBox node={rejects} state={state} />
      </div>
    </div>
  )
}

/** Many transforms stand in as many columns as fit, from the top of the first one to the end of the last one. */
function useColumns(frame: RefObject<HTMLElement | null>, transforms: number): number {
  const [columns, setColumns] = useState(1)
  useLayoutEffect(() => {
    if (frame.current === null || transforms < MANY) return setColumns(1)
    const observer = new ResizeObserver(([{ contentRect }]) =>
      setColumns(Math.max(1, Math.min(MOST_COLUMNS, Math.floor(contentRect.width / COLUMN)))),
    )
    observer.observe(frame.current)
    return () => observer.disconnect()
  }, [transforms])
  return columns
}

const MANY = 12
const MOST_COLUMNS = 4
/** Pixels. */
const COLUMN = 360
