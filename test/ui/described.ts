import assert from 'node:assert/strict'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { isObject } from '../../src/record/json/json.ts'
import type { Json, JsonObject } from '../../src/record/json/json.ts'
import { askJson } from './ui-process.ts'
import type { UiProcess } from './ui-process.ts'

/** The OpenAPI document of a page. */
export interface Described {
  readonly document: Document
  /** Fails unless a value is what a shape of `components.schemas` says. Members that it does not have are refused. */
  assertShape(name: string, value: unknown): void
  /** The same of an answer to a request. @param path as in the document: `/pipelines/{name}` */
  assertAnswer(answered: { method: string; path: string; status: number; value: unknown }): void
}

interface Document {
  readonly openapi: string
  readonly paths: { readonly [path: string]: { readonly [method: string]: Operation } }
  readonly components: { readonly schemas: { readonly [name: string]: JsonObject } }
}

interface Operation {
  readonly responses: { readonly [status: string]: { readonly content: { readonly [type: string]: JsonObject } } }
}

export async function describedBy(ui: UiProcess): Promise<Described> {
  const document = await askJson<Document>(ui, '/openapi.json')
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  ajv.addSchema(JSON.parse(JSON.stringify(document), refuseOthers), 'api')
  const assertValid = (pointer: string[], value: unknown): void => {
    const at = pointer.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')))
    const validate = ajv.getSchema(`api#/${at.join('/')}`)
    assert.ok(validate, `there is no ${pointer.join(' ')}`)
    assert.ok(validate(value), `${pointer.join(' ')}: ${ajv.errorsText(validate.errors)}: ${JSON.stringify(value)}`)
  }
  return {
    document,
    assertShape: (name, value) => assertValid(['components', 'schemas', name], value),
    assertAnswer: ({ method, path, status, value }) => {
      const code = status === 200 ? '200' : `${String(status)[0]}XX`
      assertValid(['paths', path, method, 'responses', code, 'content', 'application/json', 'schema'], value)
    },
  }
}

/** For `JSON.parse`: objects have no members but those that their schema names. */
function refuseOthers(_key: string, schema: Json): Json {
  const isOpen = isObject(schema) && schema['type'] === 'object' && schema['additionalProperties'] === undefined
  return isOpen ? { ...schema, additionalProperties: false } : schema
}
