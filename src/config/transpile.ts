import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads'
import type { Jiti, TransformOptions } from 'jiti'

/**
 * Transpiles a file for `jiti`. A thread finds what this thread has transpiled before it started the
 * other: to load and run the compiler takes half of the start of a thread.
 */
export function transpile(jiti: Jiti, options: TransformOptions): string {
  const { filename = '', source, async: isAsync = false } = options
  const key = `${isAsync ? 'import' : 'require'} ${filename}`
  const known = transpiled.get(key)
  if (known?.source === source) return known.code
  const code = jiti.transform(options)
  transpiled.set(key, { source, code })
  // Threads get a copy of what is set when they start.
  setEnvironmentData(KEY, [...transpiled])
  return code
}

interface Transpiled {
  readonly source: string
  readonly code: string
}

const KEY = 'sluice.transpiled'

/** By how it is loaded, and its file. */
const transpiled = new Map(receivedFiles())

function receivedFiles(): [string, Transpiled][] {
  const received = getEnvironmentData(KEY)
  return Array.isArray(received) ? received : []
}
