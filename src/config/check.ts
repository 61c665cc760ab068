import type { Config, Finding } from '../component.ts'
import { asSluiceError, SluiceError } from '../errors.ts'
import { builtIns, builtInTypes, findComponent, loadComponents } from '../registry.ts'
import type { JsonObject } from '../record/json/json.ts'
import { schemaName } from './built-in-schemas.ts'
import { checkFields } from './check-fields.ts'
import { checkExpressionTypes, expressionsIn, pathsRead } from './check-expressions.ts'
import type { FoundPath } from './check-paths.ts'
import { checkPaths, pathsIn, readRecordSchema } from './check-paths.ts'
import { checkRedacted } from './check-redacted.ts'
import { checkDistinct, checkRemoved, checkVarying, isWritten } from './check-shape.ts'
import type { ShapedStage } from './check-shape.ts'
import type { PipelineSecrets } from '../observe/pipeline-secrets.ts'
import type { Declaration, ComponentKind } from '../registry.ts'
import { isCustom, shortName } from './component-name.ts'
import { loadComponent } from './load-component.ts'
import { celTypesAt } from './record-types.ts'
import type { Located, LocatedMap, Location } from './yaml-location.ts'
import { isIncomplete, nodeAt, locationAt, problemAt } from './yaml-location.ts'
import { suggest } from '../fields/suggest.ts'
import { checkRoutes, checkSinkNames } from './check-routes.ts'
import { pipelineFields, rejectFields, routeFields } from './pipeline-fields.ts'
import { strictSchema } from './schema.ts'
import type { FieldSchema } from './schema.ts'
import { ROUTES_STAGE } from '../delivery/routes/routes.ts'
import { ONLY_SINK } from '../delivery/state/rows.ts'
import type { CheckedComponent, CheckedPipeline, CheckedSink, Problem } from './pipeline.ts'
import { pipelineTest } from './pipeline-test.ts'

export interface PipelineScope {
  readonly name: string
  /** Path of the pipeline file, as shown in messages. */
  readonly file: string
  /** Absolute path of the pipeline file. */
  readonly path: string
  readonly folder: string
  /** The working directory. */
  readonly root: string
  readonly problems: Problem[]
  readonly secrets: PipelineSecrets
  /** Components that a program gave as values, by the node of their `type`. */
  readonly declared?: ReadonlyMap<Located, Declaration>
}

/**
 * Checks a parsed and interpolated pipeline. Reports all problems, and returns undefined if a part
 * is missing that a run needs.
 */
export async function checkPipeline(node: LocatedMap, scope: PipelineScope): Promise<CheckedPipeline | undefined> {
  const top = await checkTop(node, scope)
  const rejectOptions = await checkRejectOptions(node, scope)
  const sections = sectionsOf(node)
  const stages = stageNames(sections, node)
  const checked = new Map<Section, CheckedComponent<Declaration>>()
  for (const [i, section] of sections.entries()) {
    const component = await checkComponent(section, stages[i] ?? section.kind, scope)
    if (component !== undefined) checked.set(section, component)
  }
  await checkCombination(node, sections, checked, scope)
  checkSinkNames(node, scope.problems)
  const routes = top && checkRoutes(node, top, scope.problems)
  await checkRecordPaths(node, sections, checked, scope)
  await checkRedacted(
    sections.flatMap((section) => {
      const component = checked.get(section)
      if (!isOf(component, 'transform')) return []
      const paths = pathsIn([strictSchema(component.declaration.fields)], section.node)
      return [{ component, paths, location: section.location }]
    }),
    scope.problems,
  )

  const found = (label: string) => {
    const section = sections.find((one) => one.label === label)
    return section === undefined ? undefined : checked.get(section)
  }
  const [source, rejects] = [found('source'), found('rejects')]
  const sinks = sections.flatMap((section): CheckedSink[] => {
    const component = checked.get(section)
    return section.sink !== undefined && isOf(component, 'sink') ? [{ ...component, name: section.sink }] : []
  })
  const lacksSink = sinks.length === 0 || sinks.length < sections.filter(({ sink }) => sink !== undefined).length
  if (top === undefined || rejectOptions === undefined || !isOf(source, 'source') || lacksSink) return undefined
  const transforms = sections.flatMap((section) => {
    const component = checked.get(section)
    return isOf(component, 'transform') ? [component] : []
  })
  return {
    name: scope.name,
    file: scope.file,
    folder: scope.folder,
    description: top.description,
    source,
    transforms,
    sinks,
    routes,
    rejects: isOf(rejects, 'sink') ? rejects : undefined,
    rejectOptions,
    limits: top.limits,
    secrets: scope.secrets,
    tests: top.tests.map((test, i) => pipelineTest(test, { ...scope, node, keys: ['tests', i] })),
  }
}

/**
 * Warns about paths that no record can have at that stage: because the schema of an earlier
 * `validate` does not know them, or because an earlier stage removes them. After custom code, nobody
 * knows the members of records.
 */
async function checkRecordPaths(
  root: LocatedMap,
  sections: readonly Section[],
  checked: ReadonlyMap<Section, CheckedComponent<Declaration>>,
  { problems }: PipelineScope,
): Promise<void> {
  let schema: JsonObject | undefined
  let sinceSchema = 0
  const shaped: ShapedStage[] = []
  const routes = root.entries.get('routes')?.value
  let isRouted = routes === undefined
  const checkReads = (reads: RecordReads): Promise<FoundPath[]> =>
    checkRecordReads(reads, { schema, shaped, sinceSchema }, problems)
  for (const section of sections) {
    const component = checked.get(section)
    if (routes && !isRouted && section.kind === 'sink') {
      const schemas = [strictSchema(routeFields).properties?.['routes'] ?? {}]
      await checkReads({ stage: ROUTES_STAGE, isSink: true, owner: 'routes', schemas, node: routes })
      isRouted = true
    }
    if (component === undefined) continue
    const { declaration, config, stage } = component
    if (declaration.kind === 'transform' && (isCustom(declaration.type) || declaration.code)) return
    const paths = await checkReads({
      stage,
      isSink: section.kind === 'sink',
      needsValues: declaration.kind === 'transform' && declaration.dedup !== undefined,
      isOfRejects: section.label === 'rejects',
      owner: `${section.kind} ${declaration.type}`,
      schemas: [strictSchema(declaration.fields)],
      node: section.node,
    })
    if (declaration.kind === 'transform' && declaration.dedup !== undefined) {
      checkDistinct(declaration.dedup(config).key, paths, shaped, problems)
      checkVarying({ stage, paths }, shaped, problems)
    }
    if (declaration.type === 'validate' && typeof config['schema'] === 'string') {
      schema = readRecordSchema(config['schema'])
      sinceSchema = shaped.length
    }
    if (declaration.kind === 'transform') shaped.push({ stage, shape: declaration.shape?.(config) ?? {} })
  }
}

/** A part of the configuration that reads members of records. */
interface RecordReads {
  readonly stage: string
  readonly isSink: boolean
  readonly needsValues?: boolean
  /** True for the sink of rejects: it gets records from every stage. */
  readonly isOfRejects?: boolean
  readonly owner: string
  readonly schemas: readonly FieldSchema[]
  readonly node: Located
}

/** What is known of the records there. */
interface KnownRecords {
  /** The schema of the last `validate`. */
  readonly schema: JsonObject | undefined
  readonly shaped: readonly ShapedStage[]
  /** Number of stages before that `validate`. */
  readonly sinceSchema: number
}

/** Returns the paths that are read. */
async function checkRecordReads(
  { stage, isSink, needsValues = false, isOfRejects = false, owner, schemas, node }: RecordReads,
  { schema, shaped, sinceSchema }: KnownRecords,
  problems: Problem[],
): Promise<FoundPath[]> {
  const expressions = expressionsIn(schemas, node)
  const paths = [...pathsIn(schemas, node), ...(await pathsRead(expressions))]
  if (!isOfRejects) checkRemoved({ stage, isSink, paths, needsValues }, shaped, problems)
  if (schema === undefined) return paths
  const isForeign = (path: string): boolean => !isWritten(path, shaped.slice(sinceSchema))
  const foreign = paths.filter(({ text }) => isForeign(text))
  checkPaths(foreign, schema, problems)
  const typesOf = (path: string): readonly string[] => (isForeign(path) ? celTypesAt(path, schema) : [])
  await checkExpressionTypes(expressions, { owner, typesOf }, problems)
  return paths
}

function isOf<K extends ComponentKind>(
  component: CheckedComponent<Declaration> | undefined,
  kind: K,
): component is CheckedComponent<Extract<Declaration, { kind: K }>> {
  return component?.declaration.kind === kind
}

type Top = Config<typeof pipelineFields>

async function checkTop(node: LocatedMap, scope: PipelineScope): Promise<Top | undefined> {
  const owner = 'the pipeline'
  const top = await checkFields(pipelineFields, node, {
    ...scope,
    compiledAs: 'pipeline',
    owner,
    location: node.location,
  })
  if (top === undefined || top.limits.maxLine > 0) return top
  scope.problems.push(
    problemAt(locationAt(node, ['limits', 'maxLine']), 'limits.maxLine of the pipeline must be greater than 0'),
  )
  return undefined
}

async function checkRejectOptions(
  node: LocatedMap,
  scope: PipelineScope,
): Promise<CheckedPipeline['rejectOptions'] | undefined> {
  const rejects = node.entries.get('rejects')?.value
  const location = locationAt(node, ['rejects'])
  const own = rejects?.kind === 'map' ? pick(rejects, (key) => key in rejectFields) : pick(node, () => false)
  return checkFields(rejectFields, own, { ...scope, compiledAs: 'rejects', owner: 'rejects', location })
}

function pick(node: LocatedMap, matches: (key: string) => boolean): LocatedMap {
  return { ...node, entries: new Map([...node.entries].filter(([key]) => matches(key))) }
}

/** A section of the file that configures one component. */
interface Section {
  readonly kind: ComponentKind
  /** Names the section in messages while its type is unknown: `sink`, `transforms[0]`. */
  readonly label: string
  /** Name of the sink, if the section is in `sinks` or is `sink`. */
  readonly sink?: string
  readonly node: LocatedMap
  /** Location of its key or list entry. */
  readonly location: Location
}

function sectionsOf(root: LocatedMap): Section[] {
  const at = (kind: ComponentKind, key: string) =>
    sectionAt(kind, key, root.entries.get(key)?.value, locationAt(root, [key]))
  const transforms = root.entries.get('transforms')?.value
  const sinks = root.entries.get('sinks')?.value
  return [
    ...at('source', 'source'),
    ...(transforms?.kind === 'list'
      ? transforms.items.flatMap((item, i) => sectionAt('transform', `transforms[${i}]`, item, item.location))
      : []),
    ...at('sink', 'sink').map((section) => ({ ...section, sink: ONLY_SINK })),
    ...(sinks?.kind === 'map'
      ? [...sinks.entries].flatMap(([name, { key, value }]) =>
          sectionAt('sink', `sinks.${name}`, value, key).map((section) => ({ ...section, sink: name })),
        )
      : []),
    ...at('sink', 'rejects').flatMap(withoutOptions),
  ]
}

/** `rejects` without a sink has options only: rejects then stay in the state folder. */
function withoutOptions(section: Section): Section[] {
  const node = pick(section.node, (key) => !(key in rejectFields))
  return node.entries.size === 0 && section.node.entries.size > 0 ? [] : [{ ...section, node }]
}

function sectionAt(kind: ComponentKind, label: string, node: Located | undefined, location: Location): Section[] {
  return node?.kind === 'map' ? [{ kind, label, node, location }] : []
}

/**
 * The stage is the name of a sink in `sinks`, and else the short type. From its second use on, a number
 * follows: `redact`, `redact-2`.
 */
function stageNames(sections: readonly Section[], root: LocatedMap): string[] {
  const used = new Map<string, number>(root.entries.has('routes') ? [[ROUTES_STAGE, 1]] : [])
  return sections.map(({ node, kind, label, sink }) => {
    const type = nodeAt(node, ['type'])
    const short = type?.kind === 'scalar' && typeof type.value === 'string' ? shortName(type.value) : kind
    const name = sink === undefined || label === 'sink' ? short : sink
    const count = (used.get(name) ?? 0) + 1
    used.set(name, count)
    return count === 1 ? name : `${name}-${count}`
  })
}

async function checkComponent(
  section: Section,
  stage: string,
  scope: PipelineScope,
): Promise<CheckedComponent<Declaration> | undefined> {
  const { kind, label, sink, node } = section
  const declaration = await findDeclaration(section, scope)
  if (declaration === undefined) return undefined

  const location = locationAt(node, ['type'])
  const isNamed = sink !== undefined && label !== 'sink'
  const owner = isNamed ? `sink ${sink}` : `${label === 'rejects' ? 'rejects' : kind} ${declaration.type}`
  const config = await checkOptions(declaration, withoutType(node), { ...scope, stage, owner, location })
  return config && { declaration, config, stage }
}

/** The options of a component. */
export function withoutType(node: LocatedMap): LocatedMap {
  return { ...node, entries: new Map([...node.entries].filter(([key]) => key !== 'type')) }
}

interface OptionsScope extends Pick<PipelineScope, 'name' | 'folder' | 'root' | 'problems' | 'secrets'> {
  readonly stage: string
  readonly owner: string
  /** Location to report if an option is missing. */
  readonly location: Location
}

/**
 * Checks the options of a component against its fields and with its own check. Reports all
 * problems, and returns undefined if one of them is an error.
 */
export async function checkOptions(
  declaration: Declaration,
  options: LocatedMap,
  scope: OptionsScope,
): Promise<CheckedComponent<Declaration>['config'] | undefined> {
  const { stage, owner, location } = scope
  try {
    const isBuiltIn = (await findComponent(declaration.kind, declaration.type)) === declaration
    const compiledAs = isBuiltIn ? schemaName(declaration) : undefined
    const config = await checkFields(declaration.fields, options, { ...scope, compiledAs })
    if (config === undefined) return undefined
    const context = { pipeline: scope.name, stage, folder: scope.folder }
    const findings = (await declaration.check?.(config, context)) ?? []
    let isValid = true
    for (const finding of findings) isValid = addFinding(finding, options, scope) && isValid
    return isValid ? config : undefined
  } catch (error) {
    const { message, hint } = asSluiceError(error, 'COMPONENT_LOAD_FAILED', 'the check of this component failed')
    scope.problems.push(problemAt(location, `${owner}: ${message}`, { hint }))
    return undefined
  }
}

async function findDeclaration(
  { kind, label, node, location }: Section,
  scope: PipelineScope,
): Promise<Declaration | undefined> {
  const reportError = (where: Location, message: string, hint?: string): undefined => {
    scope.problems.push(problemAt(where, message, { hint }))
  }
  const known = builtInTypes(kind)
  const legal = [...known, `./file.ts`].join(', ')
  const type = node.entries.get('type')?.value
  if (type === undefined) {
    const without =
      label === 'rejects' ? `; without a sink, only ${Object.keys(rejectFields).join(' and ')} are allowed` : ''
    return reportError(location, `${label} is missing the key "type"`, `type: one of ${legal}${without}`)
  }
  if (isIncomplete(type)) return undefined
  if (type.kind !== 'scalar' || typeof type.value !== 'string') {
    return reportError(type.location, `type of ${label} must be a string`, `one of ${legal}`)
  }
  const declared = scope.declared?.get(type)
  if (declared !== undefined) return declared
  if (!isCustom(type.value)) {
    const declaration = await findComponent(kind, type.value)
    if (declaration !== undefined) return declaration
    const other = builtIns.find((one) => one.type === type.value)
    if (other !== undefined)
      return reportError(type.location, `${type.value} is a ${other.kind}, not a ${kind}`, `${kind} types: ${legal}`)
    return reportError(
      type.location,
      `unknown ${kind} type "${type.value}"`,
      suggest(type.value, known, `${kind} types`),
    )
  }
  try {
    return await loadComponent(type.value, kind, { file: scope.path, root: scope.root })
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    return reportError(type.location, error.message, error.hint)
  }
}

function addFinding(finding: Finding, node: LocatedMap, { location, owner, problems }: OptionsScope): boolean {
  const { at, message, hint, severity = 'error' } = finding
  if (at.length > 0 && isIncomplete(nodeAt(node, at))) return true
  problems.push(problemAt(locationAt(node, at, location), `${owner}: ${message}`, { hint, severity }))
  return severity !== 'error'
}

/** Checks rules that involve more than one section. */
async function checkCombination(
  root: LocatedMap,
  sections: readonly Section[],
  checked: ReadonlyMap<Section, CheckedComponent<Declaration>>,
  { problems }: PipelineScope,
): Promise<void> {
  const reportError = (section: Section, message: string, hint: string) => {
    problems.push(problemAt(locationAt(section.node, ['type']), message, { hint }))
  }
  const typeOf = ({ node }: Section) => {
    const type = nodeAt(node, ['type'])
    return type?.kind === 'scalar' ? type.value : undefined
  }
  const declarations = new Map<Section, Declaration | undefined>()
  for (const section of sections) {
    declarations.set(section, checked.get(section)?.declaration ?? (await builtInOf(section, typeOf(section))))
  }
  const dedups = sections.filter((section) => {
    const declaration = declarations.get(section)
    return declaration?.kind === 'transform' && declaration.dedup !== undefined
  })
  for (const extra of dedups.slice(1)) {
    reportError(extra, 'a pipeline can have only one dedup transform', 'list all fields of the key in the first one')
  }

  const allow = root.entries.get('allowRepeats')
  const allowed = allow?.value.kind === 'scalar' && allow.value.value === true
  for (const section of sections) {
    const declaration = declarations.get(section)
    if (declaration?.kind === 'source' && declaration.repeats && dedups.length === 0 && !allowed) {
      const message = `source ${declaration.type} may read a record more than once, but there is no dedup transform`
      reportError(section, message, 'add "- type: dedup" to transforms, or set allowRepeats: true at the top level')
    }
    const needsObjects = section.kind === 'sink' && section.label !== 'sink'
    if (needsObjects && declaration?.kind === 'sink' && declaration.delivers !== 'objects') {
      const sinks = (await loadComponents()).filter((one) => one.kind === 'sink' && one.delivers === 'objects')
      const alone = section.label === 'rejects' ? '' : ', or write it alone as `sink`'
      const hint = `use one of ${sinks.map(({ type }) => type).join(', ')}${alone}`
      const what = section.label === 'rejects' ? 'rejects' : 'sinks'
      reportError(section, `${what} need an object sink, but ${declaration.type} is a stream sink`, hint)
    }
  }
  if (allowed && allow !== undefined && dedups.length > 0) {
    const message = 'allowRepeats has no effect together with a dedup transform'
    problems.push(problemAt(allow.key, message, { hint: 'remove one of the two', severity: 'warning' }))
  }
}

/** Finds a component by its type alone, for sections whose options are invalid. */
async function builtInOf({ kind }: Section, type: unknown): Promise<Declaration | undefined> {
  return typeof type === 'string' ? await findComponent(kind, type) : undefined
}
