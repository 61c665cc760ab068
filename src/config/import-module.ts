import { createRequire } from 'node:module'
import type * as Jiti from 'jiti'

/**
 * `import()`, in a file of its own: V8 cannot import from code that it takes from the cache of the
 * command (`src/cli/code-cache.ts`), so Node.js itself loads this file.
 */
export async function importModule<Module extends object>(specifier: string): Promise<Module> {
  return import(specifier)
}

/** It is large, and most pipelines have no code that needs it. */
export function requireJiti(): typeof Jiti {
  return requireFile('jiti')
}

/** Loads CommonJS. `import()` parses it once more, for the names of its exports, which takes 50 ms of CPU. */
export const requireFile = createRequire(import.meta.url)
