import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { deflateRawSync, gunzip, gzip } from 'node:zlib'
import { SluiceError } from '../errors.ts'

/** The variable with the key that the coordinator and its workers share. */
const KEY_VARIABLE = 'SLUICE_QUEUE_KEY'
/** Characters. `sluice new key` makes 43, which hold 256 bits. */
const MIN_KEY = 32

/**
 * Seals what goes through Redis: gzip, then AES-256-GCM. Redis then holds no record, no secret and no
 * reject in readable form, and nobody without the key can make a job or a result.
 *
 * A purpose is bound to each content (associated data), such as the run, the shard and the attempt of
 * a result: what was sealed for one purpose cannot be opened for another one.
 */
export class Seal {
  readonly #secret: string

  private constructor(secret: string) {
    this.#secret = secret
  }

  /** @throws SluiceError QUEUE_KEY_INVALID if the key is missing or too short */
  static fromEnvironment(env: NodeJS.ProcessEnv): Seal {
    const secret = (env[KEY_VARIABLE] ?? '').trim()
    if (secret === '') throw keyError('is not set: everything that goes through Redis is sealed with it')
    if (secret.length < MIN_KEY) throw keyError(`has ${secret.length} characters, and needs ${MIN_KEY} at least`)
    return new Seal(secret)
  }

  async seal(content: Uint8Array, purpose: string): Promise<Buffer> {
    const isSmaller = shrinks(content)
    const body = isSmaller ? await compress(content, { level: 1 }) : content
    const iv = randomBytes(IV_BYTES)
    const head = Buffer.of(VERSION, isSmaller ? 1 : 0)
    const cipher = createCipheriv('aes-256-gcm', this.#derive('content', 32), iv).setAAD(bound(head, purpose))
    const sealed = [head, this.#id(), iv, cipher.update(body), cipher.final(), cipher.getAuthTag()]
    return Buffer.concat(sealed)
  }

  /** Seals JSON as text, for the members of a BullMQ job. */
  async sealJson(value: unknown, purpose: string): Promise<string> {
    return (await this.seal(Buffer.from(JSON.stringify(value)), purpose)).toString('base64')
  }

  /**
   * @throws SluiceError QUEUE_KEY_INVALID if it was sealed with another key; QUEUE_FORGED if it was
   *   changed, or was sealed for another purpose
   */
  async open(sealed: Buffer, purpose: string): Promise<Buffer> {
    if (sealed.length < HEAD_BYTES + TAG_BYTES) throw forged('it is too short')
    if (sealed[0] !== VERSION) throw forged(`it has version ${sealed[0]} of the format, not ${VERSION}`)
    if (!sealed.subarray(2, 2 + ID_BYTES).equals(this.#id()))
      throw keyError('is not the key with which this was sealed: the coordinator and all workers need the same one')
    const head = sealed.subarray(0, 2)
    const iv = sealed.subarray(2 + ID_BYTES, HEAD_BYTES)
    const decipher = createDecipheriv('aes-256-gcm', this.#derive('content', 32), iv, { authTagLength: TAG_BYTES })
      .setAAD(bound(head, purpose))
      .setAuthTag(sealed.subarray(-TAG_BYTES))
    let body: Buffer
    try {
      body = Buffer.concat([decipher.update(sealed.subarray(HEAD_BYTES, -TAG_BYTES)), decipher.final()])
    } catch (error) {
      throw forged('it was changed, or belongs to another run, shard or attempt', error)
    }
    return head[1] === 1 ? decompress(body) : body
  }

  /** The caller knows what it has sealed for this purpose: nobody else can. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters
  async openJson<Value>(sealed: string, purpose: string): Promise<Value> {
    const value: Value = JSON.parse((await this.open(Buffer.from(sealed, 'base64'), purpose)).toString())
    return value
  }

  /** Says which key it is, and nothing about it. */
  #id(): Buffer {
    return this.#derive('id', ID_BYTES)
  }

  #derive(use: string, bytes: number): Buffer {
    return Buffer.from(hkdfSync('sha256', this.#secret, 'sluice queue', use, bytes))
  }
}

const VERSION = 1
const ID_BYTES = 4
const IV_BYTES = 12
const TAG_BYTES = 16
const HEAD_BYTES = 2 + ID_BYTES + IV_BYTES

const compress: (content: Uint8Array, options: { level: number }) => Promise<Buffer> = promisify(gzip)
const decompress: (content: Uint8Array) => Promise<Buffer> = promisify(gunzip)

/** Digests do not shrink: to try costs more than all the rest. */
function shrinks(content: Uint8Array): boolean {
  const middle = content.length >> 1
  const sample = content.subarray(Math.max(0, middle - SAMPLE), middle + SAMPLE)
  return deflateRawSync(sample, { level: 1 }).length < sample.length * 0.9
}

const SAMPLE = 8 * 1024

function bound(head: Uint8Array, purpose: string): Buffer {
  return Buffer.concat([head, Buffer.from(purpose)])
}

function keyError(problem: string): SluiceError {
  return new SluiceError('QUEUE_KEY_INVALID', `${KEY_VARIABLE} ${problem}`, {
    hint: `make a key with \`sluice new key ${KEY_VARIABLE}\`, and set it for the coordinator and for every worker`,
  })
}

function forged(problem: string, cause?: unknown): SluiceError {
  return new SluiceError('QUEUE_FORGED', `a content of the queue was refused: ${problem}`, {
    cause,
    hint: 'find out who else can write to this Redis; `sluice runs cancel` removes the jobs of a run',
  })
}
