import type { Note } from './messages/table.ts'

/**
 * Warnings of Node.js, of libraries and of the pipeline's code become lines of the log, in place of the
 * text that Node.js writes. Each is logged once a minute at most: a library may warn of each call. No-op
 * if warnings are turned off (`--no-warnings`).
 * @returns a function that ends it
 */
export function takeWarnings(note: Note): () => void {
  const before = process.listeners('warning')
  if (before.length === 0) return () => undefined
  const saidAt = new Map<string, number>()
  const onWarning = (warning: Error): void => {
    const code = 'code' in warning && typeof warning.code === 'string' ? warning.code : undefined
    const { name, message } = warning
    const kind = `${name} ${message.replaceAll(/\d+/g, '0')}`
    const now = Date.now()
    if (now - (saidAt.get(kind) ?? -Infinity) < REPEAT) return
    if (saidAt.size >= MOST_KINDS) saidAt.clear()
    saidAt.set(kind, now)
    note('process.warning', { name, text: message, warning: code })
  }
  for (const listener of before) process.off('warning', listener)
  process.on('warning', onWarning)
  return () => {
    process.off('warning', onWarning)
    for (const listener of before) process.on('warning', listener)
  }
}

/** Milliseconds. */
const REPEAT = 60_000
const MOST_KINDS = 1000
