import type { ObjectSink } from '../../../src/component.ts'
import type { JsonObject } from '../../../src/record/json/json.ts'
import type { Disk } from './disk.ts'
import type { Process } from './process.ts'

export interface StoredObject {
  readonly bytes: Buffer
  /** How often it was written. */
  readonly puts: number
}

/** An object store: what it has answered for is safe. */
export class Store {
  readonly objects = new Map<string, StoredObject>()

  put(key: string, bytes: Buffer): void {
    const puts = (this.objects.get(key)?.puts ?? 0) + 1
    this.objects.set(key, { bytes, puts })
  }

  /**
   * The sink of one process for one bucket. It may write, and may not look; it leaves an upload's id behind, as a multipart upload does, and
   * takes an object that is there for the one that it has.
   */
  port(process: Process, disk: Disk, bucket: string): ObjectSink {
    return {
      maxKeyBytes: 1024,
      destination: (key) => ({ bucket, key }),
      publish: async ({ path }, destination, _signal, attempt) => {
        if (attempt.resumeToken !== undefined)
          await process.act(`abort ${JSON.stringify(attempt.resumeToken)}`, () => undefined)
        const bytes = await process.act('read for upload', () => disk.read(path))
        await attempt.saveResumeToken(`upload ${process.operations.length}`)
        const name = nameOf(destination)
        await process.act('put object', () => this.objects.has(name) || this.put(name, bytes))
      },
      exists: () => Promise.resolve(false),
    }
  }
}

export function nameOf({ bucket, key }: JsonObject): string {
  if (typeof bucket !== 'string' || typeof key !== 'string') throw new Error('a destination has a bucket and a key')
  return `${bucket}/${key}`
}
