import { existsSync, lstatSync, mkdirSync, readFileSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { dirname, join, relative, sep } from 'node:path'
import { Script } from 'node:vm'
import { crc32 } from 'node:zlib'
import { readEntries, removeOld, writeEntries } from './code-cache-file.ts'
import type { Entry } from './code-cache-file.ts'

/**
 * Lets V8 keep the code that it compiles for the next start of the same command: in a file in
 * `$XDG_CACHE_HOME/sluice` or `~/.cache/sluice`. `NODE_COMPILE_CACHE` names another folder,
 * `NODE_DISABLE_COMPILE_CACHE=1` turns the cache off.
 *
 * Node.js has a cache of its own from 22.8 on, which holds what V8 compiles when it loads a file. This
 * one is taken when a command has ended, with all functions that ran: that saves twice as much.
 *
 * What is in the file is run. So it must belong to the user, in a folder to which nobody else can
 * write. Code is used only if its checksum and the checksum of its source are right, and V8 refuses
 * code of another version or with other flags. A start without the cache is slower, and otherwise the
 * same.
 *
 * It is loaded before all other code, so it imports only Node.js.
 */
export function useCodeCache(command: string | undefined): void {
  if (!isBundled || process.env['NODE_DISABLE_COMPILE_CACHE'] || needsNode()) return
  try {
    const folder = cacheFolder()
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const stats = lstatSync(folder)
    if (stats.isDirectory() && isPrivate(stats)) new CodeCache(join(folder, fileName(command))).use()
  } catch {
    // Such as a read-only file system.
  }
}

/** The folder of the bundle. */
const CODE = import.meta.dirname
const isBundled = import.meta.filename.endsWith('.cjs')

/** Coverage is exact only without a cache. Node.js maps stack traces only of files that it loads itself. */
function needsNode(): boolean {
  return Boolean(process.env['NODE_V8_COVERAGE']) || process.sourceMapsEnabled
}

function cacheFolder(): string {
  const parent = process.env['NODE_COMPILE_CACHE'] || process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  return join(parent, 'sluice')
}

/** Nobody else can write to it. */
function isPrivate({ uid, mode }: Stats): boolean {
  return process.getuid === undefined || (uid === process.getuid() && (mode & 0o022) === 0)
}

/** Each command has a file, because each runs other functions. So has everything that V8 compiles differently. */
function fileName(command = ''): string {
  const { version, arch, execArgv, env } = process
  const key = crc32([CODE, version, arch, env['NODE_OPTIONS'], ...execArgv].join('\n'))
  return `${/^[a-z]+$/.test(command) ? command : 'other'}-${key.toString(16)}.code`
}

class CodeCache {
  readonly #path: string
  readonly #kept: ReadonlyMap<string, Entry>
  readonly #loaded = new Map<string, { readonly source: number; readonly script: Script }>()
  #isComplete = true

  constructor(path: string) {
    this.#path = path
    this.#kept = existsSync(path) && isPrivate(lstatSync(path)) ? readEntries(path) : new Map<string, Entry>()
  }

  /** From now on, the files of the bundle are loaded with the cache. */
  use(): void {
    const { extensions } = createRequire(import.meta.url)
    extensions['.cjs'] = (module, path) => (isOurs(path) ? this.#load(module, path) : extensions['.js'](module, path))
    process.on('exit', (status) => {
      if (status === 0 && !this.#isComplete && process.uptime() < FRESH) this.#write()
    })
  }

  /** Does what Node.js does with a file in CommonJS. */
  #load(module: NodeJS.Module, path: string): void {
    // One text, not a text and the wrapped text: garbage of this size lets V8 collect it during the start.
    const wrapped = Buffer.concat([HEAD, readFileSync(path), TAIL])
    const source = crc32(wrapped)
    const file = relative(CODE, path)
    const kept = this.#kept.get(file)
    const isValid = kept !== undefined && kept.source === source && kept.checksum === crc32(kept.code)
    const script = new Script(wrapped.toString(), { filename: path, ...(isValid && { cachedData: kept.code }) })
    if (!isValid || script.cachedDataRejected === true) this.#isComplete = false
    this.#loaded.set(file, { source, script })
    const run: Run = script.runInThisContext()
    run.call(module.exports, module.exports, createRequire(path), module, path, dirname(path))
  }

  /** With what was kept before: another pipeline loads other files. */
  #write(): void {
    const entries = new Map([...this.#kept].filter(([file]) => existsSync(join(CODE, file))))
    for (const [file, { source, script }] of this.#loaded) {
      const code = script.createCachedData()
      entries.set(file, { source, checksum: crc32(code), code })
    }
    writeEntries(this.#path, entries)
    removeOld(dirname(this.#path), '.code')
  }
}

/** V8 cannot import modules from the cache: one of our files does it for all others. */
function isOurs(path: string): boolean {
  return path.startsWith(CODE + sep) && !path.startsWith(join(CODE, 'import-module-'))
}

type Run = (exports: unknown, require: NodeJS.Require, module: NodeJS.Module, path: string, folder: string) => void

const HEAD = Buffer.from('(function (exports, require, module, __filename, __dirname) { ')
const TAIL = Buffer.from('\n})')

/** Seconds. Later V8 may have dropped code that it needed only for the start. */
const FRESH = 60
