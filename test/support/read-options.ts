import type { ReadOptions } from '../../src/component.ts'

/**
 * Reads from the beginning to the end, with lines of up to 1 MiB and no log, unless the changes say
 * otherwise.
 */
export function readOptions(changes: Partial<ReadOptions> = {}): ReadOptions {
  return {
    position: () => undefined,
    signal: new AbortController().signal,
    follow: false,
    maxLine: 1 << 20,
    note: () => undefined,
    inputFailed: ({ error }) => {
      throw error
    },
    ...changes,
  }
}
