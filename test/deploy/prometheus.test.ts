/* Alerts, dashboard and scrape configuration: every expression is valid, and uses metrics that exist. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Ajv } from 'ajv'
import { parse, stringify } from 'yaml'
import { METRICS } from '../../src/observe/metrics/table.ts'
import { fixture, REPOSITORY } from '../support/paths.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const FOLDER = join(REPOSITORY, 'deploy')

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly for?: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly [name: string]: string }
}

interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly datasource?: { readonly uid: string }
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } }
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[]
}

interface Dashboard {
  readonly panels: readonly Panel[]
  readonly templating: { readonly list: readonly { readonly name: string }[] }
}

async function readRules(): Promise<Rule[]> {
  const { groups }: { groups: { rules: Rule[] }[] } = parse(
    await readFile(join(FOLDER, 'prometheus/alerts.yaml'), 'utf8'),
  )
  return groups.flatMap(({ rules }) => rules)
}

async function readDashboard(): Promise<Dashboard> {
  return JSON.parse(await readFile(join(FOLDER, 'grafana/dashboard.json'), 'utf8'))
}

interface Expression {
  readonly place: string
  readonly expr: string
  /** Labels that a legend or a text shows. */
  readonly shown: readonly string[]
}

/** All expressions of alerts and dashboard, without Grafana's variables. */
async function readExpressions(): Promise<Expression[]> {
  const alerts = (await readRules()).map(({ alert, expr, annotations }) => ({
    place: alert,
    expr,
    shown: [
      ...Object.values(annotations)
        .join(' ')
        .matchAll(/\$labels\.(\w+)/g),
    ].map(([, label = '']) => label),
  }))
  const panels = (await readDashboard()).panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, legendFormat }) => ({
      place: title,
      expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$pipeline', '.*'),
      shown: [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label),
    })),
  )
  return [...alerts, ...panels]
}

const NO_PROMTOOL =
  spawnSync('promtool', ['--version']).status === 0
    ? false
    : 'promtool is not installed (Debian: prometheus), which checks the expressions'
if (NO_PROMTOOL !== false) process.stderr.write(`alerts and dashboard are not checked: ${NO_PROMTOOL}\n`)

test('Prometheus accepts the configuration, and the alerts that it names', { skip: NO_PROMTOOL }, () => {
  const path = join(FOLDER, 'prometheus/prometheus.yaml')
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'config', path], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  assert.match(stdout, /1 rule files found[^]*SUCCESS: \d+ rules found/)
})

test('Prometheus accepts every expression of the dashboard', { skip: NO_PROMTOOL }, async (t) => {
  const path = join(await temporaryFolder(t), 'rules.yaml')
  const check = async (expressions: readonly string[]) => {
    const rules = expressions.map((expr, i) => ({ record: `expression_${i}`, expr }))
    await writeFile(path, stringify({ groups: [{ name: 'dashboard', rules }] }))
    return spawnSync('promtool', ['check', 'rules', path], { encoding: 'utf8' })
  }
  const expressions = (await readExpressions()).map(({ expr }) => expr)
  const { status, stderr } = await check(expressions)
  assert.equal(status, 0, stderr)
  assert.notEqual((await check([...expressions, 'sum by (pipeline (sluice_run_active)'])).status, 0)
})

test('every expression uses metrics that exist, with labels that they have', async () => {
  const listed: { readonly [name: string]: { readonly labels: readonly string[] } } = METRICS
  for (const { place, expr, shown } of await readExpressions()) {
    const names = (expr.match(/\bsluice_\w+/g) ?? []).map((name) => name.replace(/_bucket$/, ''))
    assert.ok(names.length > 0, place)
    const allowed = new Set(['job', 'instance', 'le', 'pipeline'])
    for (const name of names) {
      // Those of Node.js are checked in a scrape.
      if (/^sluice_(nodejs|process)_/.test(name)) continue
      const metric = listed[name]
      assert.ok(metric, `${place}: there is no metric ${name}`)
      for (const label of metric.labels) allowed.add(label)
    }
    for (const label of [...labelsIn(expr), ...shown]) assert.ok(allowed.has(label), `${place}: ${label} in ${expr}`)
  }
})

/** Labels that an expression selects, groups or joins by. */
function labelsIn(expr: string): string[] {
  const lists = [...expr.matchAll(/\b(?:by|on|without|ignoring) \(([\w, ]*)\)/g)].flatMap(([, list = '']) =>
    list.split(/, */),
  )
  const selectors = [...expr.matchAll(/\{([^}]*)\}/g)].flatMap(([, text = '']) =>
    [...text.matchAll(/(\w+)(?:=~|!~|!=|=)"/g)].map(([, label = '']) => label),
  )
  return [...lists, ...selectors].filter((label) => label !== '')
}

test('each alert has a severity, says what is wrong, and has a section in docs/operate.md', async () => {
  const page = await readFile(join(REPOSITORY, 'docs/operate.md'), 'utf8')
  const rules = await readRules()
  for (const { alert, labels, annotations } of rules) {
    assert.match(alert, /^Sluice[A-Z]/)
    assert.ok(['critical', 'warning'].includes(labels.severity), alert)
    assert.deepEqual(Object.keys(annotations), ['summary', 'description', 'runbook_url'], alert)
    assert.equal(annotations['runbook_url'], `docs/operate.md#${alert.toLowerCase()}`)
    const section = new RegExp(`^### ${alert}\n([^]*?)(?=^##|(?![^]))`, 'm').exec(page)?.[1] ?? ''
    for (const part of ['**Look.**', '**Do.**', '**Not lost.**']) assert.ok(section.includes(part), `${alert}: ${part}`)
    assert.match(page, new RegExp(`^\\| \\[${alert}\\]\\(#${alert.toLowerCase()}\\) +\\| ${labels.severity} `, 'm'))
  }
  const sections = [...page.matchAll(/^### (Sluice\w+)$/gm)].map(([, name]) => name)
  assert.deepEqual(sections.toSorted(), rules.map(({ alert }) => alert).toSorted())
})

test('every panel of the dashboard has a unit, a place of its own, and follows the variables', async () => {
  const { panels, templating } = await readDashboard()
  assert.deepEqual(
    templating.list.map(({ name }) => name),
    ['datasource', 'pipeline'],
  )
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
  for (const { type, title, datasource, fieldConfig, targets = [], gridPos } of panels) {
    assert.ok(gridPos.x + gridPos.w <= 24, title)
    if (type === 'row') continue
    assert.equal(datasource?.uid, '${datasource}', title)
    assert.ok(fieldConfig?.defaults.unit, title)
    assert.ok(targets.length > 0, title)
    for (const { expr } of targets) assert.ok(expr.includes('{pipeline=~"$pipeline"}'), `${title}: ${expr}`)
  }
  for (const one of panels)
    for (const other of panels) assert.ok(one === other || !overlap(one, other), `${one.title}, ${other.title}`)
})

function overlap({ gridPos: one }: Panel, { gridPos: other }: Panel): boolean {
  const isBeside = one.x + one.w <= other.x || other.x + other.w <= one.x
  const isAbove = one.y + one.h <= other.y || other.y + other.h <= one.y
  return !isBeside && !isAbove
}

test('the command in monitor.yaml makes a PrometheusRule of the alerts', async () => {
  const text = await readFile(join(FOLDER, 'kubernetes/monitor.yaml'), 'utf8')
  const [, command = ''] = /^# {3}(\{ printf [^]*?) \| kubectl apply -f -$/m.exec(text) ?? []
  const { status, stdout, stderr } = spawnSync('bash', ['-c', command.replaceAll(/^# {3}/gm, '')], {
    cwd: REPOSITORY,
    encoding: 'utf8',
  })
  assert.equal(status, 0, stderr)
  const { oneOfKinds, $defs } = JSON.parse(await readFile(fixture('deploy/prometheus-operator.schema.json'), 'utf8'))
  const validate = new Ajv({ strict: false }).compile({
    ...oneOfKinds['monitoring.coreos.com/v1 PrometheusRule'],
    $defs,
  })
  assert.ok(validate(parse(stdout)), JSON.stringify(validate.errors))
})
