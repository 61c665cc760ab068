import type { Log } from '../observe/log.ts'

let opened: Log | undefined

/** The log of the process, if it has lines of JSON: then nothing else should be on stderr. */
export function jsonLog(): Log | undefined {
  return opened?.format === 'json' ? opened : undefined
}

/** @param log undefined: a command begins */
export function setProcessLog(log: Log | undefined): void {
  opened = log
}
