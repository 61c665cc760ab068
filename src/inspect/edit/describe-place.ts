import { visit } from 'yaml'
import type { Document } from 'yaml'
import { mergedRow, rowOf, typeAndNeed } from '../../config/field-rows.ts'
import { branchesOf, childSchemas } from '../../config/schema.ts'
import { findComponent } from '../../registry.ts'
import type { FindComponent } from '../../registry.ts'
import { pathOf } from './cursor.ts'
import { excerptAt } from './excerpt.ts'
import { componentAt, kindOf, schemasAt } from './schemas-at.ts'
import type { Path } from './schemas-at.ts'
import { parseNodes } from './yaml-nodes.ts'

/** The documentation of a key or value. */
export interface PlaceDescription {
  /** Offsets of the key or value, in UTF-16 units. */
  readonly from: number
  readonly to: number
  readonly title?: string
  /** Absent: there is nothing to say. */
  readonly about?: string
}

interface Found {
  readonly from: number
  readonly to: number
  /** Of the key or value. */
  readonly path: Path
  readonly value: unknown
  readonly isKey: boolean
}

/**
 * Describes the key or value at a place of a pipeline text, as far as the text is understood.
 * @param offset in UTF-16 units
 * @param find as for `complete`
 */
export async function describePlace(
  text: string,
  offset: number,
  find: FindComponent = findComponent,
): Promise<PlaceDescription> {
  const excerpt = excerptAt(text, offset)
  const document = parseNodes(excerpt.text)
  const found = findAt(document, excerpt.offset)
  if (found === undefined) return { from: offset, to: offset }
  const { path } = found
  const place = { from: found.from + excerpt.shift, to: found.to + excerpt.shift }
  const described = (await describeType(found, find)) ?? (await describeField(document.contents, found, find))
  return { ...place, ...(path.length > 0 && described) }
}

function findAt(document: Document, offset: number): Found | undefined {
  let found: Found | undefined
  visit(document, {
    Scalar(role, node, ancestors) {
      const { range, value } = node
      if (!range || offset < range[0] || offset > range[1] || range[0] === range[1]) return
      const path = pathOf([...ancestors, node])
      found = { from: range[0], to: range[1], path, value, isKey: role === 'key' }
    },
  })
  return found
}

/** The value of `type` of a component. */
async function describeType({ path, value, isKey }: Found, find: FindComponent) {
  const place = path.at(-1) === 'type' && !isKey ? componentAt(path.slice(0, -1)) : undefined
  if (place === undefined || typeof value !== 'string') return undefined
  const component = await find(kindOf(place), value)
  return component && { title: `${component.type} (${component.kind})`, about: component.summary }
}

/** A key, or the key that a value or an item of a list belongs to. */
async function describeField(contents: unknown, { path, value, isKey }: Found, find: FindComponent) {
  const at = path.findLastIndex((key) => typeof key === 'string')
  const name = path[at]
  if (typeof name !== 'string') return undefined
  const maps = await schemasAt(contents, path.slice(0, at), find)
  const fields = maps.flatMap((map) =>
    childSchemas(map, name).map((schema) => ({ schema, isRequired: map.required?.includes(name) === true })),
  )
  const row = mergedRow(fields.map(({ schema, isRequired }) => rowOf(name, schema, isRequired)))
  if (row === undefined || row.description === '') return undefined
  const words = isKey ? [] : fields.flatMap(({ schema }) => branchesOf(schema)).filter((one) => one.const === value)
  const own = words.find(({ description }) => description !== undefined)?.description
  return { title: `${name}: ${typeAndNeed(row)}`, about: own ?? row.description }
}
