/**
 * Takes the place of `node-gyp-build-optional-packages` in the bundle: lmdb is bundled, its binary is in the
 * package that npm has installed for the platform. To find out which C library there is takes longer than
 * to load the binary, so this tries the most common one first.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

export default function load() {
  const main = createRequire(import.meta.url).resolve('lmdb')
  const require = createRequire(main)
  return loadGlibc(require) ?? require('node-gyp-build-optional-packages')(dirname(dirname(main)))
}

/** Undefined if another binary is needed, or if the package was compiled here. */
function loadGlibc(require) {
  if (process.platform !== 'linux' || existsSync('/etc/alpine-release')) return undefined
  try {
    const folder = dirname(require.resolve(`@lmdb/lmdb-linux-${process.arch}`))
    const names = [`node.abi${process.versions.modules}.glibc.node`, 'node.napi.glibc.node']
    const name = names.find((each) => existsSync(join(folder, each)))
    return name === undefined ? undefined : require(join(folder, name))
  } catch {
    return undefined
  }
}
