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
import { AJV_OPTIONS, validatorName } from '../build/src/config/validators.js'

const OUTPUT = 'build/schemas'

await rm(OUTPUT, { recursive: true, force: true })
await mkdir(OUTPUT, { recursive: true })
for (const [name, schema] of await builtInSchemas()) {
  const ajv = new Ajv({ ...AJV_OPTIONS, code: { source: true, esm: true } })
  const names = validatedSchemas(schema).map((one, at) => {
    ajv.addSchema(one, validatorName(at))
    return validatorName(at)
  })
  const code = standalone.default(ajv, Object.fromEntries(names.map((one) => [one, one])))
  await writeFile(join(OUTPUT, `${name}.js`), code)
}
