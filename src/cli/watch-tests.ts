import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync, watch } from 'node:fs'
import type { FSWatcher } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { allPipelines } from '../config/find-pipeline.ts'
import { codeFiles } from '../config/code-hash.ts'
import { isCustom } from '../config/component-name.ts'
import { loadPipeline } from '../config/load.ts'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { testFolder } from '../config/test-files.ts'
import { say } from '../observe/output.ts'

interface WatchOptions {
  readonly names: readonly string[]
  readonly filter: string | undefined
  readonly update: boolean
  readonly junit: string | undefined
}

/**
 * Runs the tests, and again after each change of a file that they use, until SIGINT or SIGTERM. Each
 * run is a process of its own: this one would keep the custom code that it has loaded.
 */
export async function watchTests(options: WatchOptions): Promise<void> {
  const watcher = new FolderWatcher()
  const ending = new AbortController()
  const end = (): void => ending.abort()
  process.once('SIGINT', end).once('SIGTERM', end)
  try {
    while (!ending.signal.aborted) {
      // Before the run: a change during it starts the next one.
      watcher.watch(await watchedOf(options.names))
      await runOnce(options, ending.signal)
      if (ending.signal.aborted) break
      say('waiting for changes; Ctrl-C ends')
      await watcher.changed(ending.signal)
    }
  } finally {
    process.off('SIGINT', end).off('SIGTERM', end)
    watcher.close()
  }
}

async function runOnce({ names, filter, update, junit }: WatchOptions, signal: AbortSignal): Promise<void> {
  const args = [
    ...process.execArgv,
    process.argv[1] ?? '',
    'test',
    ...names,
    ...(filter === undefined ? [] : ['--filter', filter]),
    ...(update ? ['--update'] : []),
    ...(junit === undefined ? [] : ['--junit', junit]),
  ]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] })
  const stop = (): void => void child.kill()
  signal.addEventListener('abort', stop, { once: true })
  await ended(child)
  signal.removeEventListener('abort', stop)
}

async function ended(child: ChildProcess): Promise<void> {
  await new Promise<void>((resolved) => {
    child.once('close', () => resolved())
    child.once('error', () => resolved())
  })
}

/** What to watch in each folder: the files with these names, or all that may be tests and pipelines. */
type Watched = Map<string, Set<string> | 'yaml'>

/**
 * All files that the tests use, by their folders. Folders are watched, not files: many editors save a
 * file by renaming a new one, which a watcher of the old one does not see.
 */
async function watchedOf(names: readonly string[]): Promise<Watched> {
  const watched: Watched = new Map()
  const chosen = names.length === 0 ? await allPipelines().catch(() => []) : names
  for (const name of chosen) {
    const path = /[/\\]|\.ya?ml$/.test(name) ? resolve(name) : join(resolve('pipelines'), `${name}.yaml`)
    watched.set(dirname(path), 'yaml').set(testFolder(path), 'yaml')
    // A pipeline with mistakes has the files of its last run.
    const { pipeline } = await loadPipeline(name, { mode: 'test' }).catch(() => ({ pipeline: undefined }))
    for (const file of pipeline ? await filesOf(pipeline) : []) {
      const known = watched.get(dirname(file)) ?? new Set()
      if (known !== 'yaml') watched.set(dirname(file), known.add(basename(file)))
      else if (!YAML.test(file)) watched.set(`${dirname(file)}/.`, new Set([basename(file)]))
    }
  }
  return watched
}

const YAML = /\.ya?ml$/

async function filesOf({ folder, source, transforms, sinks, rejects, tests }: CheckedPipeline): Promise<string[]> {
  const files: string[] = []
  for (const { declaration, config } of [source, ...transforms, ...sinks, ...(rejects ? [rejects] : [])]) {
    if (isCustom(declaration.type)) files.push(...(await codeFiles(declaration.type, folder)))
    files.push(
      ...Object.values(config).filter((value): value is string => typeof value === 'string' && existsSync(value)),
    )
  }
  for (const { path, input, records, pages = [], files: inputs = [], objects = [] } of tests) {
    const whole = [input, records].map((given) => (given && 'file' in given ? given.file : undefined))
    const named = [...whole, ...[...inputs, ...objects].map(({ file }) => file)]
    const bodies = pages.map(({ response }) => response.file)
    for (const file of [...named, ...bodies]) if (file !== undefined) files.push(resolve(dirname(path), file))
  }
  return files.map((file) => resolve(file))
}

class FolderWatcher {
  readonly #watchers = new Map<string, FSWatcher>()
  #watched: Watched = new Map()
  #hasChanged = false
  #wake: () => void = () => {}

  /** Watches these files besides those so far. */
  watch(watched: Watched): void {
    this.#watched = new Map([...this.#watched, ...watched])
    for (const folder of this.#watched.keys()) {
      if (this.#watchers.has(folder) || !existsSync(folder)) continue
      const watcher = watch(folder, (_event, name) => {
        const wanted = this.#watched.get(folder)
        if (name !== null && !(wanted === 'yaml' ? YAML.test(name) : wanted?.has(name))) return
        this.#hasChanged = true
        this.#wake()
      })
      // The folder is gone: it is watched again once it is back.
      watcher.on('error', () => {
        watcher.close()
        this.#watchers.delete(folder)
      })
      this.#watchers.set(folder, watcher)
    }
  }

  /** Resolves when something has changed since the last call, and nothing more does. */
  async changed(signal: AbortSignal): Promise<void> {
    const onAbort = (): void => this.#wake()
    signal.addEventListener('abort', onAbort)
    while (!this.#hasChanged && !signal.aborted) await this.#wait()
    // An editor writes several times.
    while (this.#hasChanged && !signal.aborted) {
      this.#hasChanged = false
      await this.#wait(QUIET)
    }
    signal.removeEventListener('abort', onAbort)
  }

  async #wait(milliseconds?: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolved) => {
      this.#wake = resolved
      if (milliseconds !== undefined) timer = setTimeout(resolved, milliseconds)
    })
    clearTimeout(timer)
  }

  close(): void {
    for (const watcher of this.#watchers.values()) watcher.close()
  }
}

/** Milliseconds. */
const QUIET = 100
