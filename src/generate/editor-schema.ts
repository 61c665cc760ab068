import type { TProperties } from 'typebox'
import { components } from '../registry.ts'
import type { Kind } from '../registry.ts'
import type { Declaration } from '../registry.ts'
import { pipelineFields, rejectFields } from '../config/pipeline-fields.ts'
import type { Schema } from '../config/schema.ts'
import { branchesOf, isTuple, strictSchema } from '../config/schema.ts'

/**
 * The JSON schema by which editors complete and check pipeline files. `if` finds the component by its `type`, so a mistake is reported for that
 * component alone; a component of the user's own takes any key. `${...}` is allowed wherever a value is.
 */
export function editorSchema(): object {
  const top = strictSchema(pipelineFields)
  const { source, sink, rejects, transforms, tests, ...rest } = top.properties ?? {}
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'A Sluice pipeline',
    type: 'object',
    required: top.required,
    additionalProperties: false,
    properties: {
      ...members(rest, forEditor),
      source: { description: source?.description, $ref: '#/definitions/source' },
      transforms: { type: 'array', description: transforms?.description, items: { $ref: '#/definitions/transform' } },
      sink: { description: sink?.description, $ref: '#/definitions/sink' },
      rejects: { description: rejects?.description, ...rejectsSchema() },
      tests: plain(tests ?? {}),
    },
    definitions: {
      ...Object.fromEntries((['source', 'transform', 'sink'] as const).map((kind) => [kind, kindSchema(kind)])),
      ...Object.fromEntries(components.map((component) => [idOf(component), componentSchema(component)])),
      ...Object.fromEntries(
        rejectSinks().map((component) => [`rejects-${component.type}`, componentSchema(component, rejectFields)]),
      ),
    },
  }
}

function idOf({ kind, type }: Declaration): string {
  return `${kind}-${type}`
}

/** An object sink or none, and the options of the rejects themselves. */
function rejectsSchema(): object {
  const { required: _required, ...schema } = typedSchema(rejectSinks(), ({ type }) => `rejects-${type}`)
  const { properties = {} } = strictSchema(rejectFields)
  return { ...schema, properties: { ...schema.properties, ...members(properties, forEditor) } }
}

function rejectSinks(): Declaration[] {
  return components.filter((component) => component.kind === 'sink' && component.delivers === 'objects')
}

function kindSchema(kind: Kind): object {
  return typedSchema(
    components.filter((component) => component.kind === kind),
    idOf,
  )
}

function typedSchema(own: readonly Declaration[], name: (component: Declaration) => string) {
  const custom = {
    type: 'string',
    pattern: '^[./@]|:',
    description: 'A component of your own: ./file.ts or package:name.',
  }
  return {
    type: 'object',
    required: ['type'],
    properties: {
      type: { anyOf: [...own.map(({ type, summary }) => ({ const: type, description: summary })), custom] },
    },
    allOf: own.map((component) => ({
      if: { required: ['type'], properties: { type: { const: component.type } } },
      // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
      then: { $ref: `#/definitions/${name(component)}` },
    })),
  }
}

function componentSchema({ type, summary, fields }: Declaration, more: TProperties = {}): object {
  const { properties = {}, required = [] } = strictSchema({ ...fields, ...more })
  return {
    type: 'object',
    description: summary,
    required: ['type', ...required],
    additionalProperties: false,
    properties: { type: { const: type, description: summary }, ...members(properties, forEditor) },
  }
}

/** Formats are ours; editors know `duration` as ISO 8601. */
const PATTERNS: { readonly [format: string]: string } = {
  duration: '^(\\d+(ms|[smhdw]))+$',
  size: '^\\d+(\\.\\d+)?([kKMGT]i?B|B)$',
}

const INTERPOLATED = { type: 'string', pattern: '\\$\\{(env|file):' }

function forEditor(schema: Schema): Schema {
  const own = plain(schema, forEditor)
  const { type, anyOf, oneOf } = own
  const isText =
    anyOf === undefined &&
    oneOf === undefined &&
    type === 'string' &&
    own.enum === undefined &&
    own.pattern === undefined
  if (isText || type === 'object' || type === 'array' || 'const' in own) return own
  if ((anyOf ?? oneOf)?.every((branch) => branch.type === 'object') === true) return own
  if (branchesOf(own).some(({ pattern }) => pattern === INTERPOLATED.pattern)) return own
  const { description, default: standard, ...rest } = own
  return {
    ...(description === undefined ? {} : { description }),
    ...(standard === undefined ? {} : { default: standard }),
    anyOf: [rest, INTERPOLATED],
  }
}

/** Without what only we understand. */
function plain(schema: Schema, inner: (schema: Schema) => Schema = plainInner): Schema {
  const {
    format,
    secret: _secret,
    properties,
    patternProperties,
    additionalProperties,
    items,
    anyOf,
    oneOf,
    ...rest
  } = schema
  const pattern = format === undefined ? undefined : PATTERNS[format]
  return {
    ...rest,
    ...(pattern === undefined ? {} : { pattern }),
    ...(properties && { properties: members(properties, inner) }),
    ...(patternProperties && { patternProperties: members(patternProperties, inner) }),
    ...(additionalProperties !== undefined && {
      additionalProperties:
        typeof additionalProperties === 'object' ? inner(additionalProperties) : additionalProperties,
    }),
    ...(items && { items: isTuple(items) ? items.map(inner) : inner(items) }),
    ...(anyOf && { anyOf: anyOf.map(inner) }),
    ...(oneOf && { oneOf: oneOf.map(inner) }),
  }
}

function members(
  all: { readonly [key: string]: Schema },
  change: (schema: Schema) => Schema,
): { readonly [key: string]: Schema } {
  return Object.fromEntries(Object.entries(all).map(([key, child]) => [key, change(child)]))
}

function plainInner(schema: Schema): Schema {
  return plain(schema)
}
