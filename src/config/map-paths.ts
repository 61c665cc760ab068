import type { TProperties } from 'typebox'
import type { CheckedComponent } from './pipeline.ts'
import { branchesOf, childSchemas, strictSchema } from './schema.ts'
import type { FieldSchema } from './schema.ts'

/** A configuration with other paths where its fields are of `FilePath` or `InputPath`. */
export function mapPaths(
  fields: TProperties,
  config: CheckedComponent<unknown>['config'],
  map: (path: string) => string,
): CheckedComponent<unknown>['config'] {
  const schema = strictSchema(fields)
  const mapped = Object.entries(config).map(([key, value]) => [key, mapValue(childSchemas(schema, key), value, map)])
  return Object.fromEntries(mapped)
}

function mapValue(schemas: readonly FieldSchema[], value: unknown, map: (path: string) => string): unknown {
  const within = (key: string | number): FieldSchema[] => schemas.flatMap((schema) => childSchemas(schema, key))
  if (typeof value === 'string') return schemas.flatMap(branchesOf).some(isPath) ? map(value) : value
  if (Array.isArray(value)) return value.map((item, i) => mapValue(within(i), item, map))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, mapValue(within(key), member, map)]))
}

function isPath({ format }: FieldSchema): boolean {
  return format === 'file-path' || format === 'input-path'
}
