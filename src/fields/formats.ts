import { readdirSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { parseKeyTemplate, parseRecordTemplate } from './key-template.ts'
import { SluiceError } from '../errors.ts'
import { statIfPresent } from './present.ts'
import { parseRecordsPath } from '../record/documents/records-path.ts'
import { Paths } from '../record/paths/path.ts'
import { closest } from './suggest.ts'
import { parseDuration, parseSize } from './units.ts'

/** The folders against which relative paths are resolved. */
export interface Folders {
  /** Folder of the pipeline file. */
  readonly folder: string
  /** The working directory. */
  readonly root: string
}

/**
 * Converts the text of a field to the value that its component receives.
 * @throws SluiceError with a hint and, if known, the offset of the mistake in the text
 */
export type FormatParser = (text: string, folders: Folders) => unknown

/**
 * The formats of `src/fields/fields.ts` by name. Conditions are missing because they are not text.
 */
export const formats: { readonly [name: string]: FormatParser } = {
  duration: parseDuration,
  size: parseSize,
  'record-path': (text) => new Paths().add(text).text,
  'records-path': (text) => parseRecordsPath(text).text,
  'member-path': (text) => {
    const { text: path, keys } = new Paths().add(text)
    if (keys !== undefined) return path
    throw new SluiceError('PATH_INVALID', `${text} may match several values`, {
      hint: 'a member that is written has a path of keys, such as user.email; in array elements, use custom code',
    })
  },
  'record-template': (text) => {
    parseRecordTemplate(text)
    return text
  },
  'key-template': (text) => {
    parseKeyTemplate(text)
    return text
  },
  'existing-file': existingFile,
  'file-path': (text, { root }) => resolve(root, text),
  // As written where that means the same: it is the name of the input in messages.
  'input-path': (text, { root }) => (text === '-' || root === process.cwd() ? text : resolve(root, text)),
}

function existingFile(text: string, { folder }: Folders): string {
  const absolute = resolve(folder, text)
  const stats = statIfPresent(absolute)
  if (stats?.isFile() === true) return absolute
  if (stats !== undefined) throw new SluiceError('FILE_NOT_FOUND', `"${text}" is not a file`)
  throw new SluiceError('FILE_NOT_FOUND', `the file "${text}" does not exist`, { hint: missingFileHint(absolute) })
}

/** `did you mean "store.ts"? resolved path: /project/parts/stor.ts` */
export function missingFileHint(absolute: string): string {
  const near = closest(basename(absolute), namesIn(dirname(absolute)))
  const suggestion = near === undefined ? '' : `did you mean "${near}"? `
  return `${suggestion}resolved path: ${absolute}`
}

/** The names in a folder, or an empty list if it cannot be read. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
