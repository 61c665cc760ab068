import { readdirSync, statSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { parseKeyTemplate } from './key-template.ts'
import { SluiceError } from '../errors.ts'
import { Paths } from '../record/paths/path.ts'
import { closest } from './suggest.ts'
import { parseDuration, parseSize } from './units.ts'

/** Folders that relative files are relative to. */
export interface Folders {
  /** The pipeline file's own. */
  readonly folder: string
  /** The working directory. */
  readonly root: string
}

/** Turns the text of a field into what its component gets. @throws SluiceError with a hint and, where it is known, the offset in the text. */
export type Format = (text: string, folders: Folders) => unknown

/** The formats of `src/fields/fields.ts` by name, except conditions, which are not text. */
export const formats: { readonly [name: string]: Format } = {
  duration: parseDuration,
  size: parseSize,
  'record-path': (text) => new Paths().add(text).text,
  'key-template': (text) => {
    parseKeyTemplate(text)
    return text
  },
  'existing-file': existingFile,
  'file-path': (text, { root }) => resolve(root, text),
}

function existingFile(text: string, { folder }: Folders): string {
  const absolute = resolve(folder, text)
  const stats = statSync(absolute, { throwIfNoEntry: false })
  if (stats?.isFile() === true) return absolute
  if (stats !== undefined) throw new SluiceError('FILE_NOT_FOUND', `"${text}" is not a file`)
  const near = closest(basename(absolute), namesIn(dirname(absolute)))
  const meant = near === undefined ? '' : `did you mean "${near}"? `
  throw new SluiceError('FILE_NOT_FOUND', `the file "${text}" does not exist`, {
    hint: `${meant}it is looked for at ${absolute}`,
  })
}

/** The names in a folder; none when it cannot be read. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
