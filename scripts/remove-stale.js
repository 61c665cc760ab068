/**
 * Removes what was compiled from files that no longer exist: it would count as code without tests.
 * Also what an interrupted `npm pack` has left, see `shrinkwrap.js`.
 */
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

for (const folder of ['src', 'test', 'bench', 'examples', 'transforms', 'template']) {
  const compiled = join('build', folder)
  if (!existsSync(compiled)) continue
  for (const name of readdirSync(compiled, { recursive: true })) {
    const source = join(folder, name.replace(/(\.js|\.js\.map|\.d\.ts)$/, '.ts'))
    if (source.endsWith('.ts') && !existsSync(source)) rmSync(join(compiled, name))
  }
}
rmSync('npm-shrinkwrap.json', { force: true })
