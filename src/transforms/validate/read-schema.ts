import { asSluiceError, SluiceError } from '../../errors.ts'
import type { JsonObject } from '../../record/json/json.ts'
import { isObject } from '../../record/json/json.ts'
import { parseExact } from './exact-json.ts'
import type { Spellings } from './exact-json.ts'

/**
 * Parses the text of a schema.
 * @throws SluiceError SCHEMA_INVALID if it is not a JSON object
 */
export function readSchema(text: string, name: string): { root: JsonObject; spellings: Spellings } {
  try {
    const { value, spellings } = parseExact(text)
    if (isObject(value)) return { root: value, spellings }
  } catch (error) {
    throw asSluiceError(error, 'SCHEMA_INVALID', `schema ${name} is not JSON`)
  }
  throw new SluiceError('SCHEMA_INVALID', `schema ${name} is not a JSON object`)
}
