import type { GraphNode, PipelineGraph } from './shape.ts'
import { wrapLine } from './wrap.ts'

/** https://mermaid.js.org/syntax/flowchart.html */
export function renderMermaid(graphs: readonly PipelineGraph[]): string {
  const lines = ['flowchart TB']
  for (const [number, graph] of graphs.entries()) {
    const isAlone = graphs.length === 1
    const prefix = isAlone ? '' : `p${number}`
    const inner = [...linesOf(graph, prefix)]
    if (isAlone) lines.push(...inner.map((line) => `  ${line}`))
    else {
      lines.push(`  subgraph ${prefix}["${escaped(graph.name)}"]`, ...inner.map((line) => `    ${line}`), '  end')
    }
  }
  return `${lines.join('\n')}\n`
}

/** Ids are made by us: a name such as `end` would end the diagram. */
function* linesOf({ source, transforms, routes, sinks, rejects }: PipelineGraph, prefix: string): Generator<string> {
  const id = (kind: string, number = 0): string => `${prefix}${kind}${number}`
  yield `${id('source')}(["${label(source)}"])`
  if (transforms.length > 0) yield `subgraph ${id('stages')}["transforms"]`
  for (const [at, transform] of transforms.entries()) yield `  ${id('transform', at)}["${label(transform)}"]`
  if (transforms.length > 0) yield 'end'
  for (const [at, route] of routes.entries()) yield `${id('route', at)}{{"${label(route)}"}}`
  for (const [at, sink] of sinks.entries()) yield `${id('sink', at)}[("${label(sink)}")]`
  yield `${id('rejects')}[/"${label(rejects)}"/]`

  const chain = [id('source'), ...transforms.map((_, at) => id('transform', at))]
  for (const [at, one] of chain.entries()) if (at > 0) yield `${chain[at - 1]} --> ${one}`
  const last = chain.at(-1) ?? id('source')
  yield `${transforms.length > 0 ? id('stages') : id('source')} -. rejected .-> ${id('rejects')}`
  if (routes.length === 0) {
    for (const at of sinks.keys()) yield `${last} --> ${id('sink', at)}`
    return
  }
  yield `${last} --> ${id('route')}`
  for (const [at, { to }] of routes.entries()) {
    if (typeof to !== 'string') for (const sink of to) yield `${id('route', at)} --> ${id('sink', sink)}`
    else if (to === 'reject') yield `${id('route', at)} -.-> ${id('rejects')}`
    if (at + 1 < routes.length) yield `${id('route', at)} -->|"else"| ${id('route', at + 1)}`
  }
}

function label({ title, details }: GraphNode): string {
  return [title, ...details.flatMap((detail) => wrapLine(detail, WIDTH))].map(escaped).join('<br/>')
}

/** Characters. */
const WIDTH = 48

/**
 * Text within the double quotes of a label: as entities, in the way of Mermaid, where it has a meaning
 * there, in HTML or in Markdown.
 */
function escaped(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, ' ')
    .replaceAll(/["#&<>`%*~\\]|(?<!\w)_|_(?!\w)|^[-+](?= )|(?<=^\d+)\.(?= )/g, (char) => `#${char.charCodeAt(0)};`)
}
