import { existsSync, readFileSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'

/** The folder of Sluice's own code: of the bundle, of the compiled files, or of the sources. */
export const CODE = import.meta.dirname

/** How the files of this code end: `.cjs` in the bundle, `.js` compiled, `.ts` in the sources. */
export const EXTENSION = extname(import.meta.filename)

/** True when Node.js runs the sources themselves, which may be newer than the last build. */
export const IS_SOURCE = EXTENSION === '.ts'

/** The folder of the package, which holds `package.json`, `schemas/` and `build/`. */
export const PACKAGE = findUp(CODE)

/** The scanner. All three kinds of code use the module of the last build. */
export const SCANNER = join(PACKAGE, 'build/dist/scanner.wasm')

/** The version of the package. Reads its file: call it where it is needed. */
export function readVersion(): string {
  const { version }: { version: string } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'))
  return version
}

function findUp(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : findUp(dirname(folder))
}
