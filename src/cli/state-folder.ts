import { basename, extname, join, resolve } from 'node:path'

/**
 * The state folder of a pipeline, given by its name or by the path of its file. Does not read the
 * file, so that a state can be inspected without a valid pipeline file.
 */
export function stateFolder(nameOrPath: string, states: string): string {
  const isFile = /\.ya?ml$/.test(nameOrPath)
  return join(resolve(states), isFile ? basename(nameOrPath, extname(nameOrPath)) : basename(nameOrPath))
}
