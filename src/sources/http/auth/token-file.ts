import { createHash } from 'node:crypto'
import { mkdir, open, readFile, rename, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { SluiceError, systemCode } from '../../../errors.ts'
import { member, parseJson } from '../transport/json-values.ts'
import { fsyncPath } from '../../../files.ts'

/**
 * Keeps the latest refresh token of a server that rotates them. It is a file and not part of a
 * position, for two reasons: the old token is void as soon as the server responds, so the new one
 * must be durable at once; and positions are shown to users. A new token in the configuration
 * replaces the file's content.
 */
export class TokenFile {
  readonly #path: string
  readonly #configured: string

  constructor(path: string, configured: string) {
    this.#path = path
    this.#configured = configured
  }

  /** The latest token; initially the configured one. */
  async read(): Promise<string> {
    const text = await this.#text()
    if (text === undefined) return this.#configured
    const stored = parseJson(text)
    const token = member(stored, 'refreshToken')
    if (typeof token !== 'string')
      throw new SluiceError('STATE_DAMAGED', `${this.#path} (auth.tokenFile) holds no refresh token`, {
        hint: 'delete it and configure a new refresh token',
      })
    return member(stored, 'since') === digest(this.#configured) ? token : this.#configured
  }

  /** Undefined without a file. A pipe or a device would be read without end. */
  async #text(): Promise<string | undefined> {
    try {
      const stats = await stat(this.#path)
      if (stats.isFile() && stats.size <= MAX_BYTES) return await readFile(this.#path, 'utf8')
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined
      throw this.#failure('cannot be read', error)
    }
    throw new SluiceError('STATE_DAMAGED', `${this.#path} (auth.tokenFile) is not the file of a token`, {
      hint: 'name another path: the file is created when the server sends the first new token',
    })
  }

  /** Durable once it resolves. The file is readable by its owner only. */
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
      throw this.#failure('cannot be written: the new refresh token would be lost', error)
    }
  }

  #failure(problem: string, error: unknown): SluiceError {
    return new SluiceError('DISK_FAILED', `${this.#path} (auth.tokenFile) ${problem}: ${systemCode(error)}`)
  }
}

/** Tokens are shorter than this. */
const MAX_BYTES = 1024 * 1024

/** Identifies the configured token that the stored one descends from, without revealing it. */
function digest(token: string): string {
  return createHash('sha256').update(token).digest('hex').slice(0, 16)
}
