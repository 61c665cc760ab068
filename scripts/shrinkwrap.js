/**
 * Pins the dependencies of a package that is being packed: writes `npm-shrinkwrap.json` from
 * `package-lock.json`, without what only development needs. `--remove` deletes it afterwards, since
 * npm would prefer it to `package-lock.json`.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const shrinkwrap = 'npm-shrinkwrap.json'

if (process.argv.includes('--remove')) rmSync(shrinkwrap, { force: true })
else writeFileSync(shrinkwrap, `${JSON.stringify(withoutDevelopment(readLock()), undefined, 2)}\n`)

function readLock() {
  return JSON.parse(readFileSync('package-lock.json', 'utf8'))
}

function withoutDevelopment({ packages, ...lock }) {
  const { '': root, ...installed } = packages
  const { devDependencies: _development, ...published } = root
  const kept = Object.entries(installed).filter(([, { dev }]) => dev !== true)
  // Without download addresses each user's own registry is asked. The checksums stay.
  return {
    ...lock,
    packages: { '': published, ...Object.fromEntries(kept.map(([path, entry]) => [path, unaddressed(entry)])) },
  }
}

function unaddressed({ resolved: _address, ...entry }) {
  return entry
}
