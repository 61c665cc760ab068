import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Ajv, ValidateFunction } from 'ajv'
import type { FieldSchema } from './schema.ts'
import { validatedSchemas } from './schema.ts'
import { IS_SOURCE, PACKAGE } from '../package.ts'

/** The validator of a schema, or of an alternative in it. */
export type Validators = (schema: FieldSchema) => ValidateFunction

/** `allErrors` is safe here: configuration is small and trusted, unlike records. */
export const AJV_OPTIONS = {
  allErrors: true,
  verbose: true,
  useDefaults: true,
  ownProperties: true,
  strict: false,
  validateFormats: false,
} as const

/**
 * The validators of a configuration's schema. Those of Sluice itself are compiled when it is built
 * (`scripts/compile-schemas.js`), under a name; compiling one takes as long as thousands of events.
 * @param name of a built-in schema; undefined for custom components
 */
export async function validatorsOf(schema: FieldSchema, name: string | undefined): Promise<Validators> {
  return name === undefined || IS_SOURCE ? compileNow() : await loadCompiled(schema, name)
}

async function loadCompiled(root: FieldSchema, name: string): Promise<Validators> {
  const path = join(PACKAGE, 'build/dist/schemas', `${compiledFile(name)}.cjs`)
  const validators: { readonly [name: string]: ValidateFunction } = createRequire(import.meta.url)(path)
  const compiled = new Map(validatedSchemas(root).map((schema, at) => [schema, validators[validatorName(name, at)]]))
  return (schema) => {
    const validator = compiled.get(schema)
    if (validator === undefined) throw new Error(`the build has no validator for a part of ${name}`)
    return validator
  }
}

/** The exported name of a validator; `at` is its place in `validatedSchemas`. */
export function validatorName(name: string, at: number): string {
  return `${name.replace('-', '_')}_${at}`
}

/** The file with compiled validators: a single one for all that are small. */
export function compiledFile(name: string): string {
  return LARGE.has(name) ? name : 'common'
}

const LARGE = new Set(['source-http', 'source-jumpcloud', 'sink-s3'])

let ajv: Ajv | undefined

async function compileNow(): Promise<Validators> {
  const compiler = (ajv ??= new (await import('ajv')).Ajv(AJV_OPTIONS))
  return (schema) => compiler.compile(schema as object)
}
