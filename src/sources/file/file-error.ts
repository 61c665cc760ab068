import { SluiceError, systemCode } from '../../errors.ts'

/** A system error as an error that names the file and the cause. */
export function fileError(error: unknown, name: string): SluiceError {
  if (error instanceof SluiceError) return error
  const reason = REASONS.get(systemCode(error) ?? '')
  if (reason !== undefined) return new SluiceError('FILE_NOT_FOUND', `"${name}" ${reason}`, { cause: error })
  return new SluiceError(
    'SOURCE_FAILED',
    `reading "${name}" failed: ${error instanceof Error ? error.message : String(error)}`,
    {
      cause: error,
    },
  )
}

const REASONS = new Map([
  ['ENOENT', 'does not exist'],
  ['ENOTDIR', 'does not exist: a part of its path is not a folder'],
  ['EACCES', 'cannot be read: permission denied'],
  ['EPERM', 'cannot be read: permission denied'],
  ['ELOOP', 'is a symbolic link that points to itself'],
  ['EISDIR', 'has become a folder'],
  ['ENXIO', 'is a socket or device that cannot be read'],
])
