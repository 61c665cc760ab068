import { randomBytes } from 'node:crypto'
import type { Checksum, ChecksumAlgorithm, ChecksumType } from './checksums.ts'
import { contentBytes, contentSize, release } from './content.ts'
import type { Content } from './content.ts'

/** A visible object, for tests. */
export interface StoredObject {
  readonly key: string
  readonly size: number
  /** Read at each access. */
  readonly body: Buffer
  /**
   * Headers of GetObject: content-type, content-encoding, x-amz-meta-*,
   * x-amz-server-side-encryption and so on.
   */
  readonly headers: Readonly<Record<string, string>>
  readonly acl: string | undefined
  readonly tags: Readonly<Record<string, string>>
  /** In double quotes. */
  readonly etag: string
  readonly checksum: Checksum | undefined
  readonly lastModified: Date
  /** Of a versioned bucket. */
  readonly versionId: string | undefined
  /** How often an object with this key was created or replaced, including deleted ones. */
  readonly puts: number
}

export interface ObjectEntry extends StoredObject {
  readonly content: Content
}

/** Metadata that a writer sends with an object. */
export interface Attributes {
  readonly headers: Readonly<Record<string, string>>
  readonly acl: string | undefined
  readonly tags: Readonly<Record<string, string>>
}

export interface NewObject extends Attributes {
  readonly content: Content
  readonly etag: string
  readonly checksum: Checksum | undefined
}

export interface Part {
  readonly number: number
  readonly content: Content
  readonly size: number
  readonly etag: string
  readonly checksum: Checksum | undefined
  readonly lastModified: Date
}

export interface Upload extends Attributes {
  readonly id: string
  readonly key: string
  readonly algorithm: ChecksumAlgorithm | undefined
  readonly checksumType: ChecksumType | undefined
  readonly initiated: Date
  readonly parts: Map<number, Part>
}

export class Bucket {
  readonly name: string
  /** Open uploads by id. */
  readonly uploads = new Map<string, Upload>()
  /** The object of each completed upload, by id: a second Complete gets the same response. */
  readonly completed = new Map<string, ObjectEntry>()
  /** Each object gets a version, and older ones stay. */
  readonly isVersioned: boolean
  readonly #versions = new Map<string, ObjectEntry>()
  readonly #objects = new Map<string, ObjectEntry>()
  readonly #puts = new Map<string, number>()
  #sortedKeys: string[] | undefined

  constructor(name: string, isVersioned = false) {
    this.name = name
    this.isVersioned = isVersioned
  }

  get(key: string, versionId?: string): ObjectEntry | undefined {
    if (versionId === undefined) return this.#objects.get(key)
    const found = this.#versions.get(versionId)
    return found?.key === key ? found : undefined
  }

  /** Makes the object visible and takes over the reference to its content. */
  put(key: string, { headers, acl, tags, content, etag, checksum }: NewObject, lastModified = new Date()): ObjectEntry {
    this.delete(key)
    const puts = (this.#puts.get(key) ?? 0) + 1
    const entry: ObjectEntry = {
      key,
      size: contentSize(content),
      get body() {
        return contentBytes(content)
      },
      headers,
      acl,
      tags,
      etag,
      checksum,
      lastModified,
      versionId: this.isVersioned ? randomBytes(16).toString('base64url') : undefined,
      puts,
      content,
    }
    if (entry.versionId !== undefined) this.#versions.set(entry.versionId, entry)
    this.#puts.set(key, puts)
    this.#objects.set(key, entry)
    return entry
  }

  delete(key: string): void {
    const entry = this.#objects.get(key)
    this.#sortedKeys = undefined
    if (!entry) return
    this.#objects.delete(key)
    if (!this.isVersioned) release(entry.content)
  }

  /** In the order of S3's lists: by UTF-8 bytes. */
  keys(): readonly string[] {
    this.#sortedKeys ??= [...this.#objects.keys()].toSorted(compareKeys)
    return this.#sortedKeys
  }

  objects(): Map<string, StoredObject> {
    return new Map(this.#objects)
  }
}

/** Orders strings as their UTF-8 bytes are ordered. */
export function compareKeys(left: string, right: string): number {
  const length = Math.min(left.length, right.length)
  for (let i = 0; i < length; i++) {
    const [a, b] = [left.charCodeAt(i), right.charCodeAt(i)]
    if (a !== b) return rank(a) - rank(b)
  }
  return left.length - right.length
}

/** Surrogates encode code points that sort after all others. */
function rank(codeUnit: number): number {
  return codeUnit >= 0xd800 && codeUnit <= 0xdfff ? codeUnit + 0x10000 : codeUnit
}
