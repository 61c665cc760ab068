import type { GraphNode, PipelineGraph, StatusSnapshot } from '../../../src/ui/api.ts'

export interface DrawnNode {
  readonly id: string
  readonly kind: 'source' | 'transform' | 'delivery' | 'route' | 'sink' | 'rejects'
  /** Of a stage or a sink, as the run calls it. */
  readonly name?: string | undefined
  readonly title: string
  readonly details: readonly string[]
}

export interface DrawnEdge {
  readonly from: string
  readonly to: string
  /** `chain`: to the next box. `fan`: to one of several. `rejected`: to the dead-letter queue. */
  readonly kind: 'chain' | 'fan' | 'rejected'
  readonly label?: string | undefined
}

/** What to draw: boxes by their place, and the ways of records between them. */
export interface Plan {
  readonly source: DrawnNode
  readonly transforms: readonly DrawnNode[]
  readonly delivery: DrawnNode
  readonly routes: readonly DrawnNode[]
  readonly sinks: readonly DrawnNode[]
  readonly rejects: DrawnNode
  readonly edges: readonly DrawnEdge[]
}

/** The box around the transforms. */
export const TRANSFORMS = 'transforms'

/** From the pipeline file, or from the run if the file has errors now. Undefined if neither is known. */
export function planOf(graph: PipelineGraph | undefined, snapshot: StatusSnapshot | undefined): Plan | undefined {
  if (graph !== undefined) return planOfGraph(graph)
  if (snapshot === undefined || snapshot.stages.length === 0) return undefined
  const { stages, sinks } = snapshot
  return planOfGraph({
    name: snapshot.pipeline,
    description: undefined,
    source: nodeOfRun(stages[0].stage),
    transforms: stages.filter(({ kind }) => kind === 'transform').map(({ stage }) => nodeOfRun(stage)),
    routes: [],
    sinks: sinks.map(({ sink, type }) => ({ ...nodeOfRun(sink), title: sink === 'sink' ? type : `${sink} (${type})` })),
    rejects: { title: 'rejects', details: [] },
  })
}

function nodeOfRun(name: string): GraphNode {
  return { name, title: name, details: [] }
}

function planOfGraph({ source, transforms, routes, sinks, rejects }: PipelineGraph): Plan {
  const plan = {
    source: nodeOf('source', source),
    transforms: transforms.map((one, at) => nodeOf('transform', one, at)),
    delivery: nodeOf('delivery', { name: 'delivery', title: 'delivery', details: ['write, commit, publish'] }),
    routes: routes.map((one, at) => nodeOf('route', one, at)),
    sinks: sinks.map((one, at) => nodeOf('sink', one, at)),
    rejects: nodeOf('rejects', { ...rejects, title: 'rejects (dead-letter queue)' }),
  }
  const chain = [plan.source, ...plan.transforms, plan.delivery, ...plan.routes.slice(0, 1)]
  const between = plan.routes.slice(1).map(({ id }, at) => ({ from: plan.routes[at].id, to: id, label: 'else' }))
  const toSinks =
    routes.length > 0
      ? routes.flatMap(({ to }, at) => targetsOf(to).map((id) => ({ from: plan.routes[at].id, to: id })))
      : plan.sinks.map(({ id }) => ({ from: plan.delivery.id, to: id }))
  const isOnly = routes.length === 0 && sinks.length === 1
  const edges: DrawnEdge[] = [
    ...chain.slice(1).map(({ id }, at) => ({ from: chain[at].id, to: id, kind: 'chain' as const })),
    ...between.map((edge) => ({ ...edge, kind: 'chain' as const })),
    ...toSinks.map((edge) => ({ ...edge, kind: edge.to === REJECTS ? 'rejected' : isOnly ? 'chain' : 'fan' }) as const),
    { from: transforms.length > 0 ? TRANSFORMS : plan.source.id, to: REJECTS, kind: 'rejected' },
  ]
  return { ...plan, edges }
}

function nodeOf(kind: DrawnNode['kind'], node: GraphNode, at = 0): DrawnNode {
  return { ...node, id: `${kind}-${at}`, kind }
}

const REJECTS = 'rejects-0'

function targetsOf(to: PipelineGraph['routes'][number]['to']): string[] {
  if (to === 'drop') return []
  return to === 'reject' ? [REJECTS] : to.map((sink) => `sink-${sink}`)
}
