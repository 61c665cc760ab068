import { createHash } from 'node:crypto'
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { SluiceError } from '../../../errors.ts'
import { member, parseJson } from '../transport/json-values.ts'
import { fsyncPath } from '../../../files.ts'

/**
 * Keeps the refresh token where a server gives a new one with each access token. It is a file of its own and no part of a position: the old
 * token is worth nothing from the moment the answer is made, so the new one must be on the disk before anything else happens, and positions
 * are there to be shown. A token written into the configuration anew goes before what is kept of the one before.
 */
export class TokenFile {
  readonly #path: string
  readonly #configured: string

  constructor(path: string, configured: string) {
    this.#path = path
    this.#configured = configured
  }

  /** The latest token, whoever has written it. */
  async read(): Promise<string> {
    const text = await readFile(this.#path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw this.#failure('cannot be read', error)
    })
    if (text === undefined) return this.#configured
    const kept = parseJson(text)
    const token = member(kept, 'refreshToken')
    if (typeof token !== 'string')
      throw new SluiceError('STATE_DAMAGED', `${this.#path} (auth.tokenFile) holds no refresh token`, {
        hint: 'delete it and configure a new refresh token',
      })
    return member(kept, 'since') === digest(this.#configured) ? token : this.#configured
  }

  /** Durable when it resolves; readable by the owner alone. */
  async write(token: string): Promise<void> {
    const folder = dirname(this.#path)
    const draft = `${this.#path}.new`
    try {
      await mkdir(folder, { recursive: true })
      const file = await open(draft, 'w', 0o600)
      try {
        await file.writeFile(`${JSON.stringify({ since: digest(this.#configured), refreshToken: token })}\n`)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(draft, this.#path)
      await fsyncPath(folder)
    } catch (error) {
      throw this.#failure('cannot be written, and the new refresh token would be lost', error)
    }
  }

  #failure(what: string, error: unknown): SluiceError {
    const code = member(error, 'code')
    return new SluiceError('DISK_FAILED', `${this.#path} (auth.tokenFile) ${what}: ${String(code)}`)
  }
}

/** Tells which configured token the kept one descends from, without telling it. */
function digest(token: string): string {
  return createHash('sha256').update(token).digest('hex').slice(0, 16)
}
