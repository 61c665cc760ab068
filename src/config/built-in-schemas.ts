import { loadComponents } from '../registry.ts'
import type { Declaration } from '../registry.ts'
import { pipelineFields, rejectFields } from './pipeline-fields.ts'
import { strictSchema } from './schema.ts'
import { testFields } from './test-fields.ts'
import type { FieldSchema } from './schema.ts'

/** All schemas of Sluice itself, by the name of their compiled validators. */
export async function builtInSchemas(): Promise<Map<string, FieldSchema>> {
  const components = await loadComponents()
  return new Map([
    ['pipeline', strictSchema(pipelineFields)],
    ['rejects', strictSchema(rejectFields)],
    ['test', strictSchema(testFields)],
    ...components.map((one): [string, FieldSchema] => [schemaName(one), strictSchema(one.fields)]),
  ])
}

/** The name of the validators of a built-in component. */
export function schemaName({ kind, type }: Pick<Declaration, 'kind' | 'type'>): string {
  return `${kind}-${type}`
}
