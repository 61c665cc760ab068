import type { TProperties } from 'typebox'
import type { Declaration, ComponentKind } from '../registry.ts'
import { pipelineFields, rejectFields } from '../config/pipeline-fields.ts'
import type { FieldSchema } from '../config/schema.ts'
import { branchesOf, isTuple, strictSchema } from '../config/schema.ts'
import { testFields } from '../config/test-fields.ts'

/**
 * The JSON schema with which editors complete and check pipeline files. `if` selects the component
 * by its `type`, so that editors report a mistake for that component only. Custom components accept
 * any key. `${...}` is allowed in place of any value.
 */
export function editorSchema(components: readonly Declaration[]): object {
  const top = strictSchema(pipelineFields)
  const { source, sink, sinks, rejects, transforms, tests, ...rest } = top.properties ?? {}
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'A Sluice pipeline',
    type: 'object',
    required: top.required,
    anyOf: [{ required: ['sink'] }, { required: ['sinks'] }],
    additionalProperties: false,
    properties: {
      ...members(rest, forEditor),
      source: { description: source?.description, $ref: '#/definitions/source' },
      transforms: { type: 'array', description: transforms?.description, items: { $ref: '#/definitions/transform' } },
      sink: { description: sink?.description, $ref: '#/definitions/sink' },
      sinks: {
        type: 'object',
        description: sinks?.description,
        minProperties: 1,
        additionalProperties: { $ref: '#/definitions/sink' },
      },
      rejects: { description: rejects?.description, ...rejectsSchema(components) },
      tests: plain(tests ?? {}),
    },
    definitions: {
      ...Object.fromEntries(
        (['source', 'transform', 'sink'] as const).map((kind) => [kind, kindSchema(components, kind)]),
      ),
      ...Object.fromEntries(components.map((component) => [idOf(component), componentSchema(component)])),
      ...Object.fromEntries(
        rejectSinks(components).map((component) => [
          `rejects-${component.type}`,
          componentSchema(component, rejectFields),
        ]),
      ),
    },
  }
}

/** The same for test files. `${...}` is not interpolated there. */
export function testSchema(): object {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'A test of a Sluice pipeline',
    ...plain(strictSchema(testFields)),
  }
}

function idOf({ kind, type }: Declaration): string {
  return `${kind}-${type}`
}

/** An optional object sink, and the options of `rejects` itself. */
function rejectsSchema(components: readonly Declaration[]): object {
  const { required: _required, ...schema } = typedSchema(rejectSinks(components), ({ type }) => `rejects-${type}`)
  const { properties = {} } = strictSchema(rejectFields)
  return { ...schema, properties: { ...schema.properties, ...members(properties, forEditor) } }
}

function rejectSinks(components: readonly Declaration[]): Declaration[] {
  return components.filter((component) => component.kind === 'sink' && component.delivers === 'objects')
}

function kindSchema(components: readonly Declaration[], kind: ComponentKind): object {
  return typedSchema(
    components.filter((component) => component.kind === kind),
    idOf,
  )
}

function typedSchema(own: readonly Declaration[], name: (component: Declaration) => string) {
  const custom = {
    type: 'string',
    pattern: '^[./@]|:',
    description: 'A custom component: ./file.ts or package:name.',
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

/** Patterns instead of `format`, because editors expect ISO 8601 for `duration`. */
const PATTERNS: { readonly [format: string]: string } = {
  duration: '^(\\d+(ms|[smhdw]))+$',
  size: '^\\d+(\\.\\d+)?([kKMGT]i?B|B)$',
}

const INTERPOLATED = { type: 'string', pattern: '\\$\\{(env|file):' }

function forEditor(schema: FieldSchema): FieldSchema {
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

/** The schema without our own keywords. */
function plain(schema: FieldSchema, inner: (schema: FieldSchema) => FieldSchema = plainInner): FieldSchema {
  const {
    format,
    secret: _secret,
    plain: _plain,
    template: _template,
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
  all: { readonly [key: string]: FieldSchema },
  change: (schema: FieldSchema) => FieldSchema,
): { readonly [key: string]: FieldSchema } {
  return Object.fromEntries(Object.entries(all).map(([key, child]) => [key, change(child)]))
}

function plainInner(schema: FieldSchema): FieldSchema {
  return plain(schema)
}
