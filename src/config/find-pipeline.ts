import { statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, extname, join, resolve } from 'node:path'
import { SluiceError, systemCode } from '../errors.ts'
import { closest } from '../fields/suggest.ts'

/** The names of the pipelines in `pipelines/`, sorted. Empty if the folder does not exist. */
export async function listPipelines(root: string = process.cwd()): Promise<string[]> {
  const files = await filesIn(join(root, FOLDER))
  return files
    .filter((file) => ENDINGS.includes(extname(file)))
    .map((file) => basename(file, extname(file)))
    .toSorted()
}

const FOLDER = 'pipelines'
const ENDINGS = ['.yaml', '.yml']

/** A pipeline's name becomes part of object keys and of the path of its state folder. */
export const PIPELINE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/**
 * The path of a pipeline file, which is given by its name in `pipelines/` or by a path.
 * @throws SluiceError PIPELINE_NOT_FOUND, or CONFIG_INVALID if the name matches two files
 */
export async function findPipeline(nameOrPath: string, root: string): Promise<string> {
  const isPath = /[/\\]/.test(nameOrPath) || ENDINGS.includes(extname(nameOrPath))
  const paths = isPath
    ? [resolve(root, nameOrPath)]
    : ENDINGS.map((ending) => join(root, FOLDER, `${nameOrPath}${ending}`))
  const found = paths.filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true)
  if (found.length > 1) {
    throw new SluiceError('CONFIG_INVALID', `both ${found.join(' and ')} exist`, { hint: 'delete one of them' })
  }
  if (found[0] !== undefined) return found[0]
  if (isPath) throw new SluiceError('PIPELINE_NOT_FOUND', `the pipeline file ${nameOrPath} does not exist`)
  const names = await listPipelines(root)
  const near = closest(nameOrPath, names)
  const suggestion = near === undefined ? '' : `did you mean "${near}"? `
  const all = names.length === 0 ? `${join(root, FOLDER)} has no pipelines` : `pipelines: ${names.join(', ')}`
  throw new SluiceError('PIPELINE_NOT_FOUND', `there is no pipeline "${nameOrPath}"`, {
    hint: `${suggestion}${all}`,
  })
}

async function filesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw error
  }
}
