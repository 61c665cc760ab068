import { pack, unpack } from './binary-json.ts'
import type { Connection } from './connection.ts'
import type { Seal } from './seal.ts'

/** Bytes in one key: far from the 512 MB of Redis, and no command takes long. */
const PART_BYTES = 4 * 1024 * 1024
/** Seconds until Redis forgets what nobody has collected: a shard then runs again. */
const KEPT = 7 * 24 * 3600

/** Content of a run that has keys of its own, since it is too large for a job. */
export interface Blob {
  readonly run: string
  /** Unique in the run. */
  readonly name: string
  /** Bound to the sealed content, see `Seal`. */
  readonly purpose: string
}

/**
 * Results and leave-out lists in Redis, sealed and binary. Records do not pass through Redis, but their
 * dedup keys do: 16 bytes for each record, until the commit.
 */
export class BlobStore {
  readonly #connection: Connection
  readonly #seal: Seal

  constructor(connection: Connection, seal: Seal) {
    this.#connection = connection
    this.#seal = seal
  }

  /**
   * Replaces what has this name. @returns number of its parts
   * @throws SluiceError such as QUEUE_FULL; nothing stays then
   */
  async write(blob: Blob, value: unknown): Promise<number> {
    const { json, bytes } = pack(value)
    const contents: Uint8Array[] = [json]
    for (let at = 0; at < bytes.length; at += PART_BYTES) contents.push(bytes.subarray(at, at + PART_BYTES))
    const { client } = this.#connection
    const keys = this.#keys(blob, contents.length)
    try {
      // The names first: what is named can be deleted.
      await this.#connection.call(async () => {
        await client.sadd(this.#index(blob.run), ...keys)
        await client.expire(this.#index(blob.run), KEPT)
      })
      for (const [part, content] of contents.entries()) {
        const sealed = await this.#seal.seal(content, bound(blob, part, contents.length))
        await this.#connection.call(() => client.set(keys[part] ?? '', sealed, 'EX', KEPT))
      }
      return contents.length
    } catch (error) {
      await this.delete(blob, contents.length).catch(() => undefined)
      throw error
    }
  }

  /**
   * Undefined if a part of it is gone.
   * @throws SluiceError QUEUE_FORGED, QUEUE_KEY_INVALID if it was not sealed for this purpose
   */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters
  async read<Value>(blob: Blob, parts: number): Promise<Value | undefined> {
    const opened: Buffer[] = []
    for (const [part, key] of this.#keys(blob, parts).entries()) {
      const sealed = await this.#connection.call(() => this.#connection.client.getBuffer(key))
      if (sealed === null) return undefined
      opened.push(await this.#seal.open(sealed, bound(blob, part, parts)))
    }
    const [json = Buffer.alloc(0), ...bytes] = opened
    return unpack<Value>({ json, bytes: Buffer.concat(bytes) })
  }

  async delete(blob: Blob, parts: number): Promise<void> {
    const keys = this.#keys(blob, parts)
    await this.#connection.call(async () => {
      await this.#connection.client.del(...keys)
      await this.#connection.client.srem(this.#index(blob.run), ...keys)
    })
  }

  /** Deletes everything of a run. */
  async deleteAll(run: string): Promise<void> {
    const { client } = this.#connection
    await this.#connection.call(async () => {
      const keys = await client.smembers(this.#index(run))
      for (let at = 0; at < keys.length; at += 100) await client.del(...keys.slice(at, at + 100))
      await client.del(this.#index(run))
    })
  }

  #index(run: string): string {
    return this.#connection.key('blobs', run)
  }

  #keys({ run, name }: Blob, parts: number): string[] {
    const count = Math.min(Math.max(1, parts), MAX_PARTS)
    return Array.from({ length: count }, (_, part) => this.#connection.key('blob', run, name, part))
  }
}

/** Number of the parts of a blob that is only bytes. */
export function partsOf(bytes: Uint8Array): number {
  return 1 + Math.ceil(bytes.length / PART_BYTES)
}

/** 400 GB: a larger number is one that nobody has written. */
const MAX_PARTS = 100_000

function bound({ purpose }: Blob, part: number, parts: number): string {
  return `${purpose} ${part}/${parts}`
}
