import { readdirSync, statSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { SluiceError, systemCode } from '../errors.ts'

/**
 * What is at a path; undefined if nothing is there, nor can be: a part of the path is a file, or its
 * name is too long for a file system.
 * @throws SluiceError FILE_NOT_FOUND if it cannot be found out
 */
export function statIfPresent(path: string): Stats | undefined {
  return ifPresent(path, () => statSync(path))
}

/**
 * The names in a folder; empty if there is no such folder.
 * @throws SluiceError FILE_NOT_FOUND if it cannot be read
 */
export function namesIfPresent(folder: string): string[] {
  return ifPresent(folder, () => readdirSync(folder)) ?? []
}

function ifPresent<Value>(path: string, look: () => Value): Value | undefined {
  try {
    return look()
  } catch (error) {
    const code = systemCode(error) ?? String(error)
    if (ABSENT.has(code)) return undefined
    throw new SluiceError('FILE_NOT_FOUND', `${path} cannot be read: ${code}`, {
      hint: 'correct the path, or its rights and those of the folders in it',
    })
  }
}

const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'])
