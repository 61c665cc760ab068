import { basename, extname, join, resolve } from 'node:path'
import type { Options } from 'yargs'

/** Options of commands that look after a state. */
export const stateOption = {
  type: 'string',
  default: '.sluice',
  describe: "Folder of the pipelines' states",
  requiresArg: true,
} as const satisfies Options

/** The state folder of a pipeline, by its name or the path of its file; the file itself need not be there, or be right. */
export function stateFolder(nameOrPath: string, states: string): string {
  const isFile = /\.ya?ml$/.test(nameOrPath)
  return join(resolve(states), isFile ? basename(nameOrPath, extname(nameOrPath)) : basename(nameOrPath))
}
