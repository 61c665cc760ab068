import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { listen } from '../support/listen.ts'

/**
 * A registry that has one package, and sends npm to the public registry, or to its cache, for all
 * others. Only a registry says that a package has pinned its dependencies: npm does not look for
 * `npm-shrinkwrap.json` in an archive that it installs by its path.
 */
export async function startRegistry({ archive, manifest }: { archive: string; manifest: Manifest }) {
  const bytes = await readFile(archive)
  const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`
  const { name, version } = manifest
  const server = createServer(({ url = '' }, response) => {
    if (url === `/${name}`) {
      const dist = { tarball: `${origin}/${name}.tgz`, integrity }
      const versions = { [version]: { ...manifest, _hasShrinkwrap: true, dist } }
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ name, 'dist-tags': { latest: version }, versions }))
    } else if (url === `/${name}.tgz`) response.end(bytes)
    else response.writeHead(302, { location: `https://registry.npmjs.org${url}` }).end()
  })
  const origin = `http://127.0.0.1:${await listen(server)}`
  return {
    origin,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

interface Manifest {
  readonly name: string
  readonly version: string
}
