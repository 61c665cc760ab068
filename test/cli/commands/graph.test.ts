import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { listShipped } from '../../../src/config/shipped.ts'
import { openProject } from '../../support/cli-project.ts'
import { REPOSITORY } from '../../support/paths.ts'
import { parseXml } from '../../support/xml.ts'
import type { XmlElement } from '../../support/xml.ts'

interface Diagram {
  /** Labels by id, decoded. */
  readonly nodes: Map<string, string>
  /** `a --> b` with labels in place of ids. */
  readonly edges: readonly string[]
  readonly groups: readonly string[]
}

/** Reads the part of Mermaid that we write. Fails on any other line. */
function parseMermaid(text: string): Diagram {
  const [first, ...lines] = text.trimEnd().split('\n')
  assert.equal(first, 'flowchart TB')
  const nodes = new Map<string, string>()
  const edges: [from: string, arrow: string, to: string][] = []
  const groups: string[] = []
  let depth = 0
  for (const line of lines) {
    const node = /^ +([a-z]\w*\d)(\(\["|\["|\{\{"|\[\("|\[\/")([^"]*)("\]\)|"\]|"\}\}|"\)\]|"\/\])$/.exec(line)
    const edge = /^ +(\w+) (-->|-->\|"else"\||-\. rejected \.->|-\.->) (\w+)$/.exec(line)
    const group = /^ +subgraph ([a-z]\w*\d)\["([^"]*)"\]$/.exec(line)
    if (node) nodes.set(node[1] ?? '', decoded(node[3] ?? ''))
    else if (edge) edges.push([edge[1] ?? '', edge[2] ?? '', edge[3] ?? ''])
    else if (group) {
      depth++
      groups.push(decoded(group[2] ?? ''))
      nodes.set(group[1] ?? '', decoded(group[2] ?? ''))
    } else {
      assert.match(line, /^ +end$/)
      depth--
    }
  }
  assert.equal(depth, 0)
  const titleOf = (id: string): string => {
    const label = nodes.get(id)
    assert.ok(label !== undefined, `an edge of ${id}, which is not there`)
    return label.split('\n')[0] ?? ''
  }
  return { nodes, edges: edges.map(([from, arrow, to]) => `${titleOf(from)} ${arrow} ${titleOf(to)}`), groups }
}

function decoded(label: string): string {
  const lines = label.split('<br/>')
  for (const line of lines) assert.doesNotMatch(line.replaceAll(/#\d+;/g, ''), /[<>"`#&]/)
  return lines.map((line) => line.replaceAll(/#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)))).join('\n')
}

interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** Boxes do not overlap, and are in the picture; each text is within it. Returns all texts. */
function checkSvg(text: string): { texts: string[]; width: number; arrows: number } {
  const svg = parseXml(text)
  assert.equal(svg.attributes['xmlns'], 'http://www.w3.org/2000/svg')
  const known = ['title', 'style', 'defs', 'rect', 'text', 'path']
  for (const { name, attributes } of svg.children) {
    assert.ok(known.includes(name), name)
    for (const key of Object.keys(attributes)) assert.doesNotMatch(key, /^on|href/)
  }
  const style = svg.children.find(({ name }) => name === 'style')?.text ?? ''
  assert.match(style, /prefers-color-scheme:dark/)
  assert.doesNotMatch(style, /url\(|@import|@font-face/)
  const all = svg.children.filter(({ name, attributes }) => name === 'rect' && attributes['class'] !== 'page')
  const [width, height] = [Number(svg.attributes['width']), Number(svg.attributes['height'])]
  const boxes = all.filter(({ attributes }) => attributes['class'] !== 'frame').map(boxOf)
  for (const [at, box] of boxes.entries()) {
    assert.ok(box.x >= 0 && box.y >= 0 && box.x + box.width <= width && box.y + box.height <= height)
    for (const other of boxes.slice(at + 1)) {
      const isApart =
        box.x + box.width < other.x ||
        other.x + other.width < box.x ||
        box.y + box.height < other.y ||
        other.y + other.height < box.y
      assert.ok(isApart, `${JSON.stringify([box, other])} overlap`)
    }
  }
  const texts = svg.children.filter(({ name }) => name === 'text')
  for (const one of texts) assert.ok(Number(one.attributes['x']) + one.text.length * 7.8 <= width, one.text)
  const arrows = svg.children.filter(({ name }) => name === 'path').length
  return { texts: texts.map((one) => one.text), width, arrows }
}

function boxOf({ attributes }: XmlElement): Box {
  const [x = 0, y = 0, width = 0, height = 0] = ['x', 'y', 'width', 'height'].map((key) => Number(attributes[key]))
  return { x, y, width, height }
}

const ROUTED = `description: '"Routes" of <three> & more'
source:
  type: http
  request: { url: 'https://api.test/x?key=canary-query', headers: { x-api: canary-header } }
  auth: { type: bearer, token: '\${env:TOKEN}' }
transforms:
  - { type: filter, where: 'record.a == "<b>" && record.c != "]"' }
  - { type: redact, rules: [{ path: a, action: hmac, key: canary-key-0123456789abcdef }] }
  - { type: dedup, key: id }
sinks:
  end: { type: s3, bucket: siem-inbox, key: 'x/{record.a}' }
  subgraph: { type: s3, bucket: '\${env:BUCKET}' }
  archive: { type: file, path: /var/archive }
routes:
  - { when: { success: false }, to: [end, archive] }
  - when:
      - { service: payments }
      - { service: '/a"b|\`c\`/', 'groups[*].name': finance }
    to: subgraph
  - { where: 'record.x > 3', to: archive }
rejects: { type: s3, bucket: bad }
`
const ENV = { TOKEN: 'canary-token-of-env', BUCKET: 'canary-bucket-of-env' }

test('a Mermaid diagram has stages in their order, routes, sinks and rejects; names break nothing', async (t) => {
  const work = await openProject(t, { 'pipelines/end.yaml': ROUTED })
  const { code, stdout, stderr } = await work.sluice(['graph', 'end'], { env: ENV })
  assert.equal(code, 0, stderr)
  const { nodes, edges, groups } = parseMermaid(stdout)
  assert.deepEqual(groups, ['transforms'])
  assert.deepEqual(edges, [
    'source: http --> filter',
    'filter --> redact',
    'redact --> dedup',
    'transforms -. rejected .-> rejects',
    'dedup --> route 1',
    'route 1 --> end (s3)',
    'route 1 --> archive (file)',
    'route 1 -->|"else"| route 2',
    'route 2 --> subgraph (s3)',
    'route 2 -->|"else"| route 3',
    'route 3 --> archive (file)',
    'route 3 -->|"else"| no route',
    'no route -.-> rejects',
  ])
  const labels = [...nodes.values()]
  assert.ok(labels.includes('filter\nwhere: record.a == "<b>" && record.c != "]"'), labels.join('\n'))
  assert.ok(labels.some((label) => label.startsWith('route 2\nservice: payments\nor service: /a"b|`c`/')))
  assert.ok(labels.includes('subgraph (s3)\ns3://${env:BUCKET}'))
  assert.ok(labels.includes('rejects\nin the state folder\ncopies: s3 s3://bad'))
})

for (const format of ['mermaid', 'svg']) {
  test(`${format} shows no value of a variable, no header, no key and no query`, async (t) => {
    const work = await openProject(t, { 'pipelines/p.yaml': ROUTED })
    const { code, stdout } = await work.sluice(['graph', 'p', '--format', format], { env: ENV })
    assert.equal(code, 0)
    assert.doesNotMatch(stdout, /canary/)
    assert.match(stdout, /https:\/\/api\.test\/x/)
  })
}

test('an SVG picture is well-formed, needs nothing else, and shows what the diagram shows', async (t) => {
  const work = await openProject(t, { 'pipelines/p.yaml': ROUTED })
  const { stdout } = await work.sluice(['graph', 'p', '--format', 'svg'])
  const { texts, arrows } = checkSvg(stdout)
  for (const text of ['"Routes" of <three> & more', 'source: http', 'route 2', 'end (s3)', 'no route', 'rejects'])
    assert.ok(texts.includes(text), `${text} in ${texts.join('\n')}`)
  // Seven down, four to sinks, two to the rejects.
  assert.equal(arrows, 13)
})

test('all shipped pipelines are drawn, alone and together', async (t) => {
  const work = await openProject(t, {})
  const paths = listShipped().map((name) => join(REPOSITORY, 'pipelines', `${name}.yaml`))
  const together = await work.sluice(['graph', ...paths])
  assert.equal(together.code, 0, together.stderr)
  const { groups } = parseMermaid(together.stdout)
  assert.deepEqual(
    groups.filter((name) => name !== 'transforms'),
    listShipped(),
  )
  const picture = await work.sluice(['graph', ...paths, '--format', 'svg'])
  const { texts } = checkSvg(picture.stdout)
  for (const name of listShipped()) assert.ok(texts.includes(name), name)
  for (const path of paths) parseMermaid((await work.sluice(['graph', path])).stdout)
})

test('a pipeline of 40 transforms and 30 sinks is long and not wide', async (t) => {
  const transforms = Array.from({ length: 40 }, (_, at) => `  - { type: remove, paths: [${'a'.repeat(200)}${at}] }\n`)
  const sinks = Array.from(
    { length: 30 },
    (_, at) => `  s${at}: { type: file, path: '/日本語/${'x'.repeat(150)}/${at}' }\n`,
  )
  const yaml = `source: { type: file, path: in.ndjson }\ntransforms:\n${transforms.join('')}sinks:\n${sinks.join('')}`
  const work = await openProject(t, { 'pipelines/wide.yaml': yaml })
  const { code, stdout, stderr } = await work.sluice(['graph', '--format', 'svg'])
  assert.equal(code, 0, stderr)
  assert.ok(checkSvg(stdout).width < 1000)
  const { edges } = parseMermaid((await work.sluice(['graph'])).stdout)
  assert.equal(edges.length, 40 + 30 + 1)
})

test('mistakes in a pipeline are reported, and so is a format that does not exist', async (t) => {
  const work = await openProject(t, {
    'pipelines/bad.yaml': 'source: { type: fil, path: x }\nsink: { type: stdout }\n',
  })
  const bad = await work.sluice(['graph', 'bad'])
  assert.deepEqual([bad.code, bad.stdout], [2, ''])
  assert.match(bad.stderr, /did you mean "file"\?[^]*1 error in bad/)
  assert.match((await work.sluice(['graph', 'none'])).stderr, /PIPELINE_NOT_FOUND: there is no pipeline "none"/)
  const format = await work.sluice(['graph', 'bad', '--format', 'dot'])
  assert.equal(format.code, 2)
  assert.match(format.stderr, /Choices: "mermaid", "svg"/)
})

test('the picture in the documentation is up to date', async (t) => {
  const work = await openProject(t, {})
  const { stdout } = await work.sluice(['graph', join(REPOSITORY, 'pipelines/jumpcloud.yaml'), '--format', 'svg'])
  assert.equal(
    await readFile(join(REPOSITORY, 'docs/images/jumpcloud.svg'), 'utf8'),
    stdout,
    'run: npx sluice graph jumpcloud --format svg > docs/images/jumpcloud.svg',
  )
})
