/**
 * Compiles the schemas of Sluice's own configuration to code, into `build/schemas/`; `scripts/bundle.js`
 * takes them from there. Runs after tsc, since the schemas come from the compiled declarations.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import standalone from 'ajv/dist/standalone/index.js'
import { builtInSchemas } from '../build/src/config/built-in-schemas.js'
import { validatedSchemas } from '../build/src/config/schema.js'
import { AJV_OPTIONS, compiledFile, validatorName } from '../build/src/config/validators.js'

const OUTPUT = 'build/schemas'

await rm(OUTPUT, { recursive: true, force: true })
await mkdir(OUTPUT, { recursive: true })
const files = new Map()
for (const [name, schema] of await builtInSchemas()) {
  const file = compiledFile(name)
  if (!files.has(file)) files.set(file, new Map())
  for (const [at, one] of validatedSchemas(schema).entries()) files.get(file).set(validatorName(name, at), one)
}
for (const [file, schemas] of files) {
  const ajv = new Ajv({ ...AJV_OPTIONS, code: { source: true, esm: true } })
  for (const [name, schema] of schemas) ajv.addSchema(schema, name)
  const exported = Object.fromEntries([...schemas.keys()].map((name) => [name, name]))
  await writeFile(join(OUTPUT, `${file}.js`), standalone.default(ajv, exported))
}
