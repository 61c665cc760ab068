import type { ObjectSink } from '../../../../src/component.ts'
import { SluiceError } from '../../../../src/errors.ts'
import type { Json, JsonObject } from '../../../../src/record/json/json.ts'
import type { Disk } from './disk.ts'
import type { Process } from './process.ts'

export interface StoredObject {
  readonly bytes: Buffer
  /** Number of puts that created or replaced the object. */
  readonly puts: number
}

/** An S3 bucket that refuses every object, although it was there when it was tried. */
export const WRONG_BUCKET = 'adit'

/** An object store. A put is durable when it has returned. */
export class Store {
  readonly objects = new Map<string, StoredObject>()
  /** Staged objects by handle: the name that each will have, and its bytes. */
  readonly staged = new Map<string, { readonly name: string; readonly bytes: Buffer }>()
  /** Names whose staged bytes a rule of the store has removed, once each. */
  readonly #removed = new Set<string>()
  #handles = 0

  put(key: string, bytes: Buffer): void {
    const puts = (this.objects.get(key)?.puts ?? 0) + 1
    this.objects.set(key, { bytes, puts })
  }

  /**
   * The sink of one process for one S3 bucket. It has no right to read. It saves an upload id, as a
   * multipart upload does, and treats an existing object as its own.
   */
  port(process: Process, disk: Disk, bucket: string): ObjectSink {
    return {
      maxKeyBytes: 1024,
      destination: (key) => ({ bucket, key }),
      publish: async ({ path }, destination, _signal, attempt) => {
        if (destination['bucket'] === WRONG_BUCKET) throw new SluiceError('SINK_REFUSED', 'there is no such S3 bucket')
        if (attempt.resumeToken !== undefined)
          await process.act(`abort ${JSON.stringify(attempt.resumeToken)}`, () => undefined)
        const bytes = await process.act('read for upload', () => disk.read(path))
        await attempt.saveResumeToken(`upload ${process.operations.length}`)
        const name = nameOf(destination)
        await process.act('put object', () => this.objects.has(name) || this.put(name, bytes))
      },
      ...this.#stagingPort(process, disk),
      exists: () => Promise.resolve(false),
      async *connect() {
        await process.act('connect', () => undefined)
        yield { what: 'put' }
      },
    }
  }

  /** A rule of the store removes the staged bytes of some objects, before they are published. */
  removeSome(): void {
    for (const [handle, { name }] of this.staged) {
      if (!isUnlucky(name) || this.#removed.has(name)) continue
      this.#removed.add(name)
      this.staged.delete(handle)
    }
  }

  #stagingPort(
    process: Process,
    disk: Disk,
  ): Pick<ObjectSink, 'stage' | 'publishStaged' | 'discardStaged' | 'sweepStaged'> {
    return {
      stage: async ({ path }, destination) => {
        const handle = `handle ${this.#handles++}`
        const staged = { name: nameOf(destination), bytes: disk.read(path) }
        await process.act('stage', () => void this.staged.set(handle, staged))
        return handle
      },
      publishStaged: (handle, _object, destination) =>
        process.act('publish staged', () => {
          const name = nameOf(destination)
          if (this.objects.has(name)) return 'published'
          const staged = this.staged.get(textOf(handle))
          if (!staged) return 'gone'
          this.put(name, staged.bytes)
          this.staged.delete(textOf(handle))
          return 'published'
        }),
      discardStaged: (handle) => process.act('discard staged', () => void this.staged.delete(textOf(handle))),
      sweepStaged: (_prefix, isDead) =>
        process.act('sweep staged', () => {
          const dead = [...this.staged].filter(([, { name }]) => isDead(name))
          for (const [handle] of dead) this.staged.delete(handle)
          return dead.length
        }),
    }
  }
}

function textOf(handle: Json): string {
  return typeof handle === 'string' ? handle : ''
}

/** Every second name, by the hash in it. */
function isUnlucky(name: string): boolean {
  return parseInt(name.charAt(name.lastIndexOf('-') + 1), 16) % 2 === 0
}

export function nameOf({ bucket, key }: JsonObject): string {
  if (typeof bucket !== 'string' || typeof key !== 'string') throw new Error('a destination has a bucket and a key')
  return `${bucket}/${key}`
}
