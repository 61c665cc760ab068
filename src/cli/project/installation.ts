import { existsSync, realpathSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { PACKAGE } from '../../package.ts'

/** How a user starts the running program in a project: `npx sluice` if it is installed there. */
export function commandIn(project: string): string {
  const installed = findInstalled(project)
  return installed !== undefined && realpathSync(installed) === realpathSync(PACKAGE) ? 'npx sluice' : 'sluice'
}

const SCHEMA = 'schemas/pipeline.schema.json'

/**
 * The editor's schema of pipeline files, as a path relative to the project: that of the installed
 * package, which is always of the same version; or else a copy in the project; undefined if it has
 * neither.
 */
export function editorSchemaIn(project: string): string | undefined {
  const installed = findInstalled(project)
  if (installed !== undefined) return relative(project, join(installed, SCHEMA))
  return existsSync(join(project, SCHEMA)) ? SCHEMA : undefined
}

/** The schema of the running program. Its path is of this machine only. */
export const OWN_SCHEMA = join(PACKAGE, SCHEMA)

/** The schema of test files, which is beside that of pipeline files. */
export function testSchemaBeside(schema: string): string {
  return join(dirname(schema), 'test.schema.json')
}

/** The comment with which editors find the schema of a file in `pipelines/`. */
export function modeline(schema: string): string {
  return `# yaml-language-server: $schema=../${schema}`
}

/** The text of a pipeline file with another schema for editors. */
export function withModeline(yaml: string, schema: string): string {
  return yaml.replace(/^# yaml-language-server: .*$/m, modeline(schema))
}

/** The package `sluice` that the project imports. Another package of that name has no such schema. */
function findInstalled(folder: string): string | undefined {
  const found = join(folder, 'node_modules/sluice')
  if (existsSync(join(found, SCHEMA))) return found
  return dirname(folder) === folder ? undefined : findInstalled(dirname(folder))
}
