import type { GraphNode, PipelineGraph } from './shape.ts'
import { columnsOf, wrapLine } from './wrap.ts'

/**
 * A picture without scripts, fonts or other files. Records go down the left column: source, transforms,
 * routes. On the right is what takes them. So a long pipeline gets longer, and not wider.
 */
export function renderSvg(graphs: readonly PipelineGraph[]): string {
  const pictures: Picture[] = []
  let top = MARGIN
  for (const graph of graphs) {
    const picture = draw(graph, top)
    pictures.push(picture)
    top = picture.bottom + 2 * MARGIN
  }
  const width = Math.max(...pictures.map(({ right }) => right)) + MARGIN
  const height = (pictures.at(-1)?.bottom ?? 0) + MARGIN
  const names = graphs.map(({ name }) => name).join(', ')
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title">`,
    `<title id="title">${escaped(`Pipeline${graphs.length > 1 ? 's' : ''} ${names}`)}</title>`,
    `<style>${STYLE}</style>`,
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto-start-reverse"><path class="head" d="M0 0 L8 4 L0 8 Z"/></marker></defs>',
    `<rect class="page" width="${width}" height="${height}"/>`,
    ...pictures.flatMap(({ parts }) => parts),
    '</svg>',
    '',
  ].join('\n')
}

interface Picture {
  readonly parts: readonly string[]
  readonly right: number
  readonly bottom: number
}

interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** Pixels. */
const MARGIN = 20
const GAP = 30
const GUTTER = 90
const PAD = 10
const LINE = 17
/** Of a character, for a font of one width at 13 pixels. */
const COLUMN = 7.9
/** Characters. */
const WIDTH = 44

function draw({ name, description, source, transforms, routes, sinks, rejects }: PipelineGraph, top: number): Picture {
  const heading = [name, ...(description === undefined ? [] : wrapLine(description, 2 * WIDTH))]
  const parts = heading.map((text, at) =>
    textAt(MARGIN, top + LINE * (at + 1) - 4, text, at === 0 ? 'title' : 'detail'),
  )
  const start = top + heading.length * LINE + PAD

  const chain = [source, ...transforms, ...routes]
  const left = column(chain, MARGIN + PAD, start, {
    gap: GAP,
    extra: (at) => (at === 1 || at === 1 + transforms.length ? PAD : 0),
  })
  const [sourceBox] = left
  const stages = left.slice(1, 1 + transforms.length)
  const routeBoxes = left.slice(1 + transforms.length)
  const frame = stages.length > 0 ? frameOf(stages) : undefined
  const x = rightOf(left) + PAD + GUTTER
  const [rejectsBox] = column([rejects], x, (frame ?? sourceBox).y, { gap: GAP })
  // Beside the routes, or beside the last stage; always below the rejects.
  const lastBox = left.at(-1) ?? sourceBox
  const beside = routes.length > 0 ? routeBoxes[0] : lastBox
  const sinkBoxes = column(sinks, x, Math.max(beside.y, rejectsBox.y + rejectsBox.height + GAP), { gap: PAD * 1.6 })

  if (frame) parts.push(rect(frame, 'frame', 8))
  parts.push(...left.slice(1).map((box, at) => arrow(down(left[at], box))))
  for (const [at, box] of routeBoxes.entries()) {
    if (at + 1 < routeBoxes.length)
      parts.push(textAt(box.x + box.width / 2 + 6, box.y + box.height + 19, 'else', 'detail'))
    const { to } = routes[at]
    const targets = to === 'reject' ? [rejectsBox] : to === 'drop' ? [] : to.map((sink) => sinkBoxes[sink])
    parts.push(...targets.map((target) => arrow(across(box, target), to === 'reject')))
  }
  if (routes.length === 0) parts.push(...sinkBoxes.map((target) => arrow(across(lastBox, target))))
  parts.push(arrow(across(frame ?? sourceBox, rejectsBox), true))

  const kinds = ['source', ...transforms.map(() => 'stage'), ...routes.map(() => 'route')]
  parts.push(...left.flatMap((box, at) => boxWith(box, chain[at], kinds[at])))
  parts.push(...sinkBoxes.flatMap((box, at) => boxWith(box, sinks[at], 'sink')))
  parts.push(...boxWith(rejectsBox, rejects, 'rejects'))
  const all = [...left, ...sinkBoxes, rejectsBox]
  const wide = Math.max(...heading.map((text) => MARGIN + columnsOf(text) * COLUMN))
  return {
    parts,
    right: Math.ceil(Math.max(rightOf(all), wide)),
    bottom: Math.ceil(Math.max(...all.map(({ y, height }) => y + height)) + PAD),
  }
}

interface Spacing {
  readonly gap: number
  /** More space above the box with this index. */
  readonly extra?: (at: number) => number
}

/** Boxes of one width, below each other. */
function column(nodes: readonly GraphNode[], x: number, top: number, { gap, extra }: Spacing): Box[] {
  const texts = nodes.map(linesOf)
  const columns = Math.max(...texts.flat().map(columnsOf), 10)
  let y = top
  return texts.map((lines, at) => {
    y += extra?.(at) ?? 0
    const box = { x, y, width: Math.ceil(columns * COLUMN) + 2 * PAD, height: lines.length * LINE + PAD }
    y += box.height + gap
    return box
  })
}

function linesOf({ title, details }: GraphNode): string[] {
  return [...wrapLine(title, WIDTH), ...details.flatMap((detail) => wrapLine(detail, WIDTH))]
}

function rightOf(boxes: readonly Box[]): number {
  return Math.max(...boxes.map(({ x, width }) => x + width))
}

function frameOf(boxes: readonly Box[]): Box {
  const [first] = boxes
  const last = boxes.at(-1) ?? first
  const [x, y] = [first.x - PAD, first.y - PAD]
  return { x, y, width: rightOf(boxes) + PAD - x, height: last.y + last.height + PAD - y }
}

function down(from: Box, to: Box): string {
  const x = from.x + from.width / 2
  return `M${x} ${from.y + from.height} V${to.y - 1}`
}

/** From the right edge to the left edge. */
function across(from: Box, to: Box): string {
  const start = from.x + from.width
  const y = Math.min(from.y + from.height / 2, Math.max(from.y + LINE, to.y + to.height / 2))
  const end = to.y + to.height / 2
  const middle = (start + to.x) / 2
  return `M${start} ${y} C${middle} ${y} ${middle} ${end} ${to.x - 1} ${end}`
}

function arrow(path: string, isRejects = false): string {
  return `<path class="line${isRejects ? ' dashed' : ''}" d="${path}" marker-end="url(#arrow)"/>`
}

function rect({ x, y, width, height }: Box, kind: string, radius: number): string {
  return `<rect class="${kind}" x="${x}" y="${y}" width="${width}" height="${height}" rx="${radius}"/>`
}

function boxWith(box: Box, node: GraphNode, kind: string): string[] {
  const titles = wrapLine(node.title, WIDTH).length
  return [
    rect(box, kind, kind === 'source' || kind === 'sink' ? 12 : 4),
    ...linesOf(node).map((line, at) =>
      textAt(box.x + PAD, box.y + PAD / 2 + LINE * at + 13, line, at < titles ? 'name' : 'detail'),
    ),
  ]
}

function textAt(x: number, y: number, text: string, kind: string): string {
  return `<text class="${kind}" x="${x}" y="${y}">${escaped(text)}</text>`
}

/** Characters that XML 1.0 does not allow, or that a reader does not see, have a replacement in their place. */
function escaped(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu, '\ufffd')
    .replaceAll(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
}

const STYLE = `
.page{fill:#fff}text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#1f2328;white-space:pre}
.title,.name{font-weight:600}.detail{fill:#59636e}
.source,.stage,.route,.sink,.rejects{stroke-width:1.2}
.source{fill:#ddf4ff;stroke:#0969da}.stage{fill:#f6f8fa;stroke:#818b98}.route{fill:#fff8c5;stroke:#9a6700}
.sink{fill:#dafbe1;stroke:#1a7f37}.rejects{fill:#ffebe9;stroke:#cf222e;stroke-dasharray:4 3}
.frame{fill:none;stroke:#d1d9e0}.line{fill:none;stroke:#59636e;stroke-width:1.3}.dashed{stroke:#cf222e;stroke-dasharray:5 4}.head{fill:#59636e}
@media (prefers-color-scheme:dark){
.page{fill:#0d1117}text{fill:#f0f6fc}.detail{fill:#b1bac4}
.source{fill:#0c2d6b;stroke:#4493f8}.stage{fill:#212830;stroke:#656c76}.route{fill:#3b2a00;stroke:#d29922}
.sink{fill:#033a16;stroke:#3fb950}.rejects{fill:#490202;stroke:#f85149}
.frame{stroke:#3d444d}.line{stroke:#9198a1}.dashed{stroke:#f85149}.head{fill:#9198a1}
}
`
