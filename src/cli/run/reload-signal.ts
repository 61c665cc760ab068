import { closeSync, openSync } from 'node:fs'

/**
 * Calls a function on each SIGHUP. Not in a process with a terminal: there the signal says that the
 * terminal is closed, and ends the process as it ends any other.
 * @returns a function that ends it
 */
export function onReloadSignal(reload: () => void): () => void {
  if (hasTerminal()) return () => {}
  process.on('SIGHUP', reload)
  return () => process.off('SIGHUP', reload)
}

/** Also true for a process in the background whose streams are files: it gets the signal, too. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return true
  } catch {
    return false
  }
}
