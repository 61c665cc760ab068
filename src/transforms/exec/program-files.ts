import { createHash } from 'node:crypto'
import { accessSync, constants, readFileSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { statIfPresent } from '../../fields/present.ts'

/** True for a program that is given by a path, relative to the pipeline file, and not by its name. */
export function isPath(program: string): boolean {
  return program.includes('/')
}

/** What is wrong with a program: it cannot be found, or cannot be executed. */
export type Obstacle = 'missing' | 'folder' | 'not executable'

/** Undefined if the program can be started. A name is looked for in PATH. */
export function obstacleTo(program: string, folder: string, path = process.env.PATH ?? ''): Obstacle | undefined {
  const candidates = isPath(program)
    ? [resolve(folder, program)]
    : path.split(delimiter).map((place) => resolve(folder, join(place, program)))
  let found: Obstacle = 'missing'
  for (const candidate of candidates) {
    const obstacle = obstacleAt(candidate)
    if (obstacle === undefined) return undefined
    if (found === 'missing') found = obstacle
  }
  return isPath(program) || found === 'not executable' ? found : 'missing'
}

function obstacleAt(file: string): Obstacle | undefined {
  const stats = statIfPresent(file)
  if (stats === undefined) return 'missing'
  if (stats.isDirectory()) return 'folder'
  try {
    accessSync(file, constants.X_OK)
    return undefined
  } catch {
    return 'not executable'
  }
}

/**
 * SHA-256, in hex, of the files that a command names: the program, if it is given by a path, and scripts
 * among its arguments. Programs in PATH differ from machine to machine and are left out.
 */
export function hashProgram(command: readonly string[], folder: string): string {
  const hash = createHash('sha256')
  for (const [at, word] of command.entries()) {
    const content = at === 0 && !isPath(word) ? undefined : contentOf(resolve(folder, word))
    hash.update(content === undefined ? `word ${word.length}:${word}` : `file ${content.length}:`)
    if (content !== undefined) hash.update(content)
  }
  return hash.digest('hex')
}

function contentOf(file: string): Buffer | undefined {
  const stats = statIfPresent(file)
  if (stats?.isFile() !== true || stats.size > LARGEST) return undefined
  try {
    return readFileSync(file)
  } catch {
    return undefined
  }
}

/** Scripts are smaller. */
const LARGEST = 16 << 20
