import { join } from 'node:path'

/** Where a pipeline's state keeps rejects. */
export function rejectsFolder(folder: string): string {
  return join(folder, 'rejects')
}
