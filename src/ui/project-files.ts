import { constants } from 'node:fs'
import { open, realpath } from 'node:fs/promises'
import { isAbsolute, join, relative, sep } from 'node:path'
import { PIPELINE_NAME } from '../config/find-pipeline.ts'
import { SluiceError, systemCode } from '../errors.ts'
import { Refused } from './failures.ts'

/**
 * The path of a file of the project, which a request names. A link is not followed, wherever in the path it is,
 * and what is no regular file is not opened.
 * @param path below the project folder
 * @throws Refused
 */
export async function fileInProject(root: string, path: string): Promise<string> {
  const absolute = join(root, path)
  if (path === '' || path.includes('\0') || isAbsolute(path) || !isBelow(root, absolute))
    throw new Refused(403, 'USAGE', `${JSON.stringify(path)} is not in the project folder`, {
      hint: 'only files of the project can be opened: copy it there',
    })
  const real = await realpath(absolute).catch((error: unknown) => {
    throw new Refused(404, 'FILE_NOT_FOUND', `${path} cannot be opened: ${systemCode(error) ?? 'it is not there'}`)
  })
  if (real !== join(await realpath(root), relative(root, absolute)))
    throw new Refused(403, 'USAGE', `${path} is a link, or behind one, which is not followed`, {
      hint: 'name the file that it leads to, if that is in the project',
    })
  const file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error: unknown) => {
      throw new Refused(403, 'FILE_NOT_FOUND', `${path} cannot be opened: ${systemCode(error) ?? 'no reason is given'}`)
    },
  )
  try {
    if (!(await file.stat()).isFile()) throw new Refused(403, 'USAGE', `${path} is not a regular file`)
  } finally {
    await file.close()
  }
  return absolute
}

/** True if a path is that of something in a folder. No link is followed. */
export function isBelow(folder: string, path: string): boolean {
  const below = relative(folder, path)
  return below !== '' && below !== '..' && !below.startsWith(`..${sep}`) && !isAbsolute(below)
}

/**
 * A name of a pipeline in a request must not be a path.
 * @throws SluiceError PIPELINE_NOT_FOUND
 */
export function requireName(name: string): void {
  if (!PIPELINE_NAME.test(name) || /\.ya?ml$/.test(name))
    throw new SluiceError('PIPELINE_NOT_FOUND', `there is no pipeline ${JSON.stringify(name)}`)
}
