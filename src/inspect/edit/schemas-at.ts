import { isMap, isScalar, isSeq } from 'yaml'
import type { YAMLMap } from 'yaml'
import { pipelineFields, rejectFields } from '../../config/pipeline-fields.ts'
import { branchesOf, childSchemas, strictSchema } from '../../config/schema.ts'
import type { FieldSchema } from '../../config/schema.ts'
import { builtIns, findComponent } from '../../registry.ts'
import type { ComponentKind, Declaration, FindComponent } from '../../registry.ts'
import { findPair } from './yaml-nodes.ts'

/** Where a value is in a file: keys and indices, from the top. */
export type Path = readonly (string | number)[]

/**
 * The alternatives for the value at a place of a pipeline text, as far as they fit what is there.
 * @param find is asked only for components around the place
 */
export async function schemasAt(
  contents: unknown,
  path: Path,
  find: FindComponent = findComponent,
): Promise<FieldSchema[]> {
  let schemas = fitting([strictSchema(pipelineFields)], contents)
  let node = contents
  for (const [depth, key] of path.entries()) {
    node = childOf(node, key)
    const component = componentAt(path.slice(0, depth + 1))
    const found = component
      ? [await componentSchema(component, typeIn(node), find)]
      : schemas.flatMap((schema) => childSchemas(schema, key))
    schemas = fitting(found, node)
  }
  return schemas
}

/** The kind of component whose options are at a path. */
export function componentAt(path: Path): ComponentPlace | undefined {
  const [top, key, ...rest] = path
  if (rest.length > 0) return undefined
  if (key === undefined && (top === 'source' || top === 'sink' || top === 'rejects')) return top
  if (typeof key === 'number' && top === 'transforms') return 'transform'
  return typeof key === 'string' && top === 'sinks' ? 'sinks' : undefined
}

/** `sinks` and `rejects`: object sinks only. */
type ComponentPlace = ComponentKind | 'sinks' | 'rejects'

/** The built-in components that may be there, in the order of the documentation. */
async function componentsFor(place: ComponentPlace): Promise<Declaration[]> {
  const kind = kindOf(place)
  const types = builtIns.filter((one) => one.kind === kind).map(({ type }) => type)
  const found = await Promise.all(types.map((type) => findComponent(kind, type)))
  return found.flatMap((one) => (one === undefined || (kind !== place && !isObjectSink(one)) ? [] : [one]))
}

export function kindOf(place: ComponentPlace): ComponentKind {
  return place === 'sinks' || place === 'rejects' ? 'sink' : place
}

/** Only `type`, with a component that is not known. */
async function componentSchema(
  place: ComponentPlace,
  type: string | undefined,
  find: FindComponent,
): Promise<FieldSchema> {
  const declaration = type === undefined ? undefined : await find(kindOf(place), type)
  const more = place === 'rejects' ? rejectFields : {}
  const { properties = {}, required = [] } = strictSchema({ ...declaration?.fields, ...more })
  const components = await componentsFor(place)
  return {
    type: 'object',
    properties: { type: typeSchema(components), ...properties },
    required: [...(place === 'rejects' ? [] : ['type']), ...required],
  }
}

function typeSchema(components: readonly Declaration[]): FieldSchema {
  return {
    description: 'The component: one of these, or code of your own, as `./file.ts` or `package:name`.',
    anyOf: components.map(({ type, summary }) => ({ const: type, description: summary })),
  }
}

function isObjectSink(declaration: Declaration): boolean {
  return declaration.kind === 'sink' && declaration.delivers === 'objects'
}

/** Without the alternatives that a value of the text rules out, such as its `type`; all, if none is left. */
function fitting(schemas: readonly FieldSchema[], node: unknown): FieldSchema[] {
  const branches = schemas.flatMap(branchesOf)
  if (!isMap(node)) return branches
  const fit = branches.filter((branch) => isFitting(branch, node))
  return fit.length > 0 ? fit : branches
}

function isFitting({ properties = {}, type }: FieldSchema, node: YAMLMap): boolean {
  if (type !== undefined && type !== 'object') return false
  return Object.entries(properties).every(([key, schema]) => {
    const value = findPair(node, key)?.value
    return schema.const === undefined || !isScalar(value) || value.value === null || value.value === schema.const
  })
}

function childOf(node: unknown, key: string | number): unknown {
  if (typeof key === 'number') return isSeq(node) ? node.items[key] : undefined
  return isMap(node) ? findPair(node, key)?.value : undefined
}

function typeIn(node: unknown): string | undefined {
  const value = isMap(node) ? findPair(node, 'type')?.value : undefined
  return isScalar(value) && typeof value.value === 'string' ? value.value : undefined
}
