import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * True when Node runs the TypeScript itself (22.18 or newer), false when it runs the compiled tests
 * in `build/`.
 */
const isSource = import.meta.filename.endsWith('.ts')

/**
 * The root of the checkout. Fixtures, schemas and examples are read from there, whether tests run
 * from source or compiled.
 */
export const REPOSITORY = findUp(import.meta.dirname)

/** The entry point of the command line: the bundle that is published, or its source. */
export const MAIN = join(REPOSITORY, isSource ? 'src/cli/start.ts' : 'build/dist/main.cjs')

/** A file under `test/fixtures/`. */
export function fixture(name: string): string {
  return join(REPOSITORY, 'test/fixtures', name)
}

/**
 * A TypeScript file of the checkout as something that this Node can run: itself, or what it was
 * compiled to.
 */
export function codeFile(path: string): string {
  return isSource ? join(REPOSITORY, path) : join(REPOSITORY, 'build', path.replace(/\.ts$/, '.js'))
}

function findUp(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : findUp(dirname(folder))
}
