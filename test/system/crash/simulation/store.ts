import type { ObjectSink } from '../../../../src/component.ts'
import { SluiceError } from '../../../../src/errors.ts'
import type { JsonObject } from '../../../../src/record/json/json.ts'
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
      exists: () => Promise.resolve(false),
      async *connect() {
        await process.act('connect', () => undefined)
        yield { what: 'put' }
      },
    }
  }
}

export function nameOf({ bucket, key }: JsonObject): string {
  if (typeof bucket !== 'string' || typeof key !== 'string') throw new Error('a destination has a bucket and a key')
  return `${bucket}/${key}`
}
