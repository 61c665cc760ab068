import { readFile } from 'node:fs/promises'
import { asSluiceError } from '../../errors.ts'
import type { JsonObject } from '../../record/json/json.ts'
import type { CompiledSchema } from './compile-schema.ts'
import type { Spellings } from './exact-json.ts'
import { readSchema } from './read-schema.ts'
import { isSurelyValid } from './surely-valid.ts'

/** A JSON schema that ajv accepts. */
export interface RecordSchema {
  readonly root: JsonObject
  /** The numbers in `root` that JavaScript cannot represent. */
  readonly spellings: Spellings
  /** Set once the schema is compiled. */
  readonly compiled: CompiledSchema | undefined
  compile(): Promise<CompiledSchema>
}

/**
 * Reads a schema of draft-07 or 2020-12, according to its `$schema` (default: 2020-12). References
 * can only point into the same file. ajv compiles it at once to find its mistakes; a schema that
 * surely has none is compiled when the first record needs ajv.
 * @throws SluiceError SCHEMA_INVALID with the reason.
 */
export async function loadSchema(file: string): Promise<RecordSchema> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    throw asSluiceError(error, 'SCHEMA_INVALID', `schema ${file} cannot be read`)
  }
  const known = schemas.get(text)
  if (known !== undefined) return known
  const schema = new LazySchema(text, file)
  if (!isSurelyValid(schema.root)) await schema.compile()
  schemas.set(text, schema)
  return schema
}

/**
 * By schema text. A run needs the schema again that the check has compiled, and compiling takes as
 * long as thousands of events.
 */
const schemas = new Map<string, RecordSchema>()

class LazySchema implements RecordSchema {
  readonly root: JsonObject
  readonly spellings: Spellings
  compiled: CompiledSchema | undefined
  readonly #text: string
  readonly #name: string

  constructor(text: string, name: string) {
    const { root, spellings } = readSchema(text, name)
    this.root = root
    this.spellings = spellings
    this.#text = text
    this.#name = name
  }

  async compile(): Promise<CompiledSchema> {
    const { compileSchema } = await import('./compile-schema.ts')
    return (this.compiled ??= compileSchema(this.#text, this.#name))
  }
}
