import { existsSync } from 'node:fs'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { SluiceError } from '../errors.ts'
import { namesIfPresent, statIfPresent } from '../fields/present.ts'
import { closest } from '../fields/suggest.ts'
import { isShipped, listShipped } from './shipped.ts'

/** The names of the pipelines in `pipelines/`, sorted. Empty if the folder does not exist. */
export async function listPipelines(root: string = process.cwd()): Promise<string[]> {
  return namesIfPresent(join(root, FOLDER))
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
  const found = (isPath ? [resolve(root, nameOrPath)] : pathsIn(root, nameOrPath)).filter(isFile)
  if (found.length > 1) {
    throw new SluiceError('CONFIG_INVALID', `both ${found.join(' and ')} exist`, { hint: 'delete one of them' })
  }
  if (found[0] !== undefined) return found[0]
  const shipped = shippedHint(isPath ? basename(nameOrPath, extname(nameOrPath)) : nameOrPath)
  if (isPath) {
    throw new SluiceError('PIPELINE_NOT_FOUND', `the pipeline file ${nameOrPath} does not exist`, {
      ...(shipped !== undefined && { hint: shipped }),
    })
  }
  const above = folderAbove(root, (folder) => pathsIn(folder, nameOrPath).some(isFile))
  const names = await listPipelines(root)
  const near = closest(nameOrPath, names)
  const suggestion = near === undefined ? '' : `did you mean "${near}"? `
  const all = names.length === 0 ? `${join(root, FOLDER)} has no pipelines` : `pipelines: ${names.join(', ')}`
  throw new SluiceError('PIPELINE_NOT_FOUND', `there is no pipeline "${nameOrPath}"`, {
    hint:
      above !== undefined
        ? `it is in ${above}: run the command there`
        : shipped !== undefined && (near === undefined || isShipped(nameOrPath))
          ? shipped
          : `${suggestion}${all}`,
  })
}

/**
 * The pipelines to use when none is named: all of the project.
 * @throws SluiceError PIPELINE_NOT_FOUND if it has none
 */
export async function allPipelines(): Promise<string[]> {
  const names = await listPipelines()
  if (names.length > 0) return names
  const above = folderAbove(process.cwd(), (folder) => existsSync(join(folder, FOLDER)))
  throw new SluiceError('PIPELINE_NOT_FOUND', 'there are no pipelines in pipelines/', {
    hint:
      above === undefined
        ? 'create a project with sluice init, or a pipeline with sluice new pipeline NAME'
        : `${join(above, FOLDER)} exists: run the command in ${above}`,
  })
}

function pathsIn(root: string, name: string): string[] {
  return ENDINGS.map((ending) => join(root, FOLDER, `${name}${ending}`))
}

function isFile(path: string): boolean {
  return statIfPresent(path)?.isFile() === true
}

/** The nearest parent of a folder that is wanted: users call commands in a folder of their project. */
function folderAbove(folder: string, isWanted: (folder: string) => boolean): string | undefined {
  const parent = dirname(folder)
  if (parent === folder) return undefined
  return isWanted(parent) ? parent : folderAbove(parent, isWanted)
}

/** How to get a pipeline that comes with Sluice; undefined if it has none of about this name. */
function shippedHint(name: string): string | undefined {
  const found = isShipped(name) ? name : closest(name, listShipped())
  if (found === undefined) return undefined
  const start = found === name ? 'Sluice ships it' : `did you mean ${found}, which Sluice ships`
  return `${start}: copy it into this project with sluice new pipeline --from ${found}`
}
