import { readFile } from 'node:fs/promises'
import { SluiceError, systemCode } from '../errors.ts'
import { learnSecret } from '../observe/secrets.ts'

/** A token that requests to a server of ours must bring. `place` names the option or variable for messages. */
interface GivenToken {
  readonly place: string
  readonly token: string
}

/**
 * Checks a token, which is hidden in output from then on.
 * @throws SluiceError USAGE
 */
export function serverToken({ place, token }: GivenToken): string {
  if (!/^[\u0021-\u007e]{16,}$/.test(token))
    throw new SluiceError('USAGE', `${place}: the token is not one of at least 16 visible ASCII characters`, {
      hint: 'make one with `openssl rand -hex 32`',
    })
  learnSecret(token)
  return token
}

/**
 * Reads a token from the file that an option names.
 * @throws SluiceError USAGE
 */
export async function readServerToken(option: string, file: string): Promise<string> {
  return serverToken({ place: `${option} ${file}`, token: (await readGiven(option, file)).toString().trim() })
}

/**
 * Reads a file that an option names.
 * @throws SluiceError USAGE
 */
export async function readGiven(option: string, file: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (error) {
    throw new SluiceError('USAGE', `${option} ${file}: ${systemCode(error) ?? String(error)}`, {
      cause: error,
      hint: 'name a file that this user can read',
    })
  }
}
