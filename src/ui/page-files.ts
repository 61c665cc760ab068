import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { systemCode } from '../errors.ts'
import { PACKAGE } from '../package.ts'

/** A file of the built page. */
export interface PageFile {
  readonly type: string
  readonly bytes: Buffer
  /** Its name contains a hash of its content. */
  readonly isForever: boolean
}

/** The page of the last build. Only what is in this folder is ever served. */
const FOLDER = join(PACKAGE, 'build/dist/page')

/** The files of the page, by their path in its address; undefined if this checkout has none. */
export function readPage(): ReadonlyMap<string, PageFile> | undefined {
  try {
    const names = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
    const files = names.filter((name) => extname(name) in TYPES)
    return new Map(
      files.map((name) => {
        const path = `/${name.replaceAll('\\', '/')}`
        const bytes = readFileSync(join(FOLDER, name))
        return [path, { type: TYPES[extname(name)], bytes, isForever: path.startsWith('/assets/') }]
      }),
    )
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

const TYPES: { readonly [extension: string]: string } = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}
