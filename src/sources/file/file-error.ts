import { SluiceError, systemCode } from '../../errors.ts'

/** Names the file and what the system says about it. */
export function fileError(error: unknown, name: string): SluiceError {
  if (error instanceof SluiceError) return error
  const why = REASONS.get(systemCode(error) ?? '')
  if (why !== undefined) return new SluiceError('FILE_NOT_FOUND', `"${name}" ${why}`, { cause: error })
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
  ['EACCES', 'may not be read: permission denied'],
  ['EPERM', 'may not be read: permission denied'],
  ['ELOOP', 'is a link that leads to itself'],
  ['EISDIR', 'is a folder now'],
  ['ENXIO', 'is a socket or device that cannot be read'],
])
