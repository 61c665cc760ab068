import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'

/**
 * SHA-256, in hex, of the code of a custom component: of its file and of all files that it imports
 * by a relative path, directly or not. A packaged component: of the package's entry in the same way.
 * @param folder that relative types are relative to
 */
export async function hashCode(type: string, folder: string): Promise<string> {
  const hash = createHash('sha256')
  await readFiles(type, folder, (text) => hash.update(`${text.length}:`).update(text))
  return hash.digest('hex')
}

/** The files whose code `hashCode` hashes, also those that do not exist. */
export async function codeFiles(type: string, folder: string): Promise<string[]> {
  return readFiles(type, folder, () => {})
}

async function readFiles(type: string, folder: string, read: (text: string) => void): Promise<string[]> {
  const seen = new Set<string>()
  const waiting = [/^[./]/.test(type) ? resolve(folder, type) : findPackage(type, folder)]
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.has(path) || seen.size === MAX_FILES) continue
    seen.add(path)
    const text = await readFile(path, 'utf8').catch(() => undefined)
    if (text === undefined) continue
    read(text)
    for (const specifier of importsOf(text)) waiting.push(await locate(resolve(dirname(path), specifier)))
  }
  return [...seen]
}

/** A component with more files than this is not hashed completely. */
const MAX_FILES = 1000

/** `import … from './x'`, `export … from './x'`, `import './x'`, `import('./x')`, `require('./x')`. */
const IMPORT = /(?:\bfrom\s*|\bimport\s*|\b(?:import|require)\s*\(\s*)(["'`])(\.{1,2}\/[^"'`\n]*)\1/g

function importsOf(text: string): string[] {
  return [...text.matchAll(IMPORT)].map(([, , specifier = '']) => specifier)
}

const ENDINGS = ['', '.ts', '.mts', '.cts', '.js', '.mjs', '.cjs', '.json', '/index.ts', '/index.js']

/** The file of an import, which may leave out its ending, or write `.js` for `.ts`. */
async function locate(path: string): Promise<string> {
  const candidates = [...ENDINGS.map((ending) => `${path}${ending}`), path.replace(/\.([cm]?)js$/, '.$1ts')]
  for (const candidate of candidates) {
    const readable = await readFile(candidate).then(
      () => true,
      () => false,
    )
    if (readable) return candidate
  }
  return path
}

function findPackage(type: string, folder: string): string {
  const id = type.slice(0, type.lastIndexOf(':'))
  try {
    return createRequire(join(folder, 'pipeline')).resolve(id)
  } catch {
    return id
  }
}
