import { useLayoutEffect, useState } from 'preact/hooks'
import type { JSX, RefObject } from 'preact'
import { troubleOf } from './trouble.ts'
import type { PipelineState } from '../state/pipeline.ts'
import { labelOf, pathOf } from './paths.ts'
import type { Box } from './paths.ts'
import type { DrawnEdge, DrawnNode } from './plan.ts'

interface EdgesProps {
  readonly edges: readonly DrawnEdge[]
  readonly sinks: readonly DrawnNode[]
  readonly state: PipelineState
  /** Holds the boxes: elements with `data-node`. */
  readonly container: RefObject<HTMLElement | null>
}

/** Lines between the boxes, wherever the layout has put them. */
export function Edges({ edges, sinks, state, container }: EdgesProps): JSX.Element {
  const boxes = useBoxes(container, edges)
  const statuses = state.snapshot.value?.sinks ?? []
  const toneOf = (to: string): string => {
    const node = sinks.find(({ id }) => id === to)
    const status = node && statuses.find(({ sink }) => sink === node.name)
    const tone = status && troubleOf(status)?.tone
    return tone === undefined ? '' : ` is-${tone}`
  }
  return (
    <svg class="edges" aria-hidden="true">
      <defs>
        {['', ' is-warning', ' is-error'].map((tone) => (
          <marker
            key={tone}
            id={markerOf(tone)}
            viewBox="0 0 8 8"
            refX="6"
            refY="4"
            markerWidth="7"
            markerHeight="7"
            orient="auto"
          >
            <path class={`edge-head${tone}`} d="M0 0 L8 4 L0 8 Z" />
          </marker>
        ))}
      </defs>
      {edges.map(({ from, to, kind, label }, at) => {
        const [start, end] = [boxes.get(from), boxes.get(to)]
        if (start === undefined || end === undefined) return null
        const tone = toneOf(to)
        const place = label === undefined ? undefined : labelOf(start, end)
        return (
          <g key={`${from} ${to}`}>
            <path
              class={`edge is-${kind}${tone}`}
              d={pathOf(start, end, kind, at)}
              marker-end={`url(#${markerOf(tone)})`}
            />
            {place && (
              <text class="edge-label" x={place.x} y={place.y}>
                {label}
              </text>
            )}
          </g>
        )
      })}
    </svg>
  )
}

function markerOf(tone: string): string {
  return `arrow${tone.trim()}`
}

/** Measured when a box or the whole changes its size. */
function useBoxes(container: RefObject<HTMLElement | null>, edges: readonly DrawnEdge[]): ReadonlyMap<string, Box> {
  const [boxes, setBoxes] = useState<ReadonlyMap<string, Box>>(new Map())
  useLayoutEffect(() => {
    const root = container.current
    if (root === null) return undefined
    const nodes = [...root.querySelectorAll<HTMLElement>('[data-node]')]
    const measure = (): void => setBoxes(new Map(nodes.map((node) => [node.dataset['node'] ?? '', boxOf(node)])))
    const observer = new ResizeObserver(measure)
    observer.observe(root)
    for (const node of nodes) observer.observe(node)
    measure()
    return () => observer.disconnect()
  }, [edges])
  return boxes
}

/** The drawing is the positioned ancestor of every box. */
function boxOf({ offsetLeft: x, offsetTop: y, offsetWidth: width, offsetHeight: height }: HTMLElement): Box {
  return { x, y, width, height }
}
