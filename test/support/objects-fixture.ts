import type { JsonObject } from '../../src/record/json/json.ts'
import type { SourceFixture, SourceInput } from '../../src/testing/index.ts'
import { startS3Server } from '../servers/s3.ts'
import type { S3Server } from '../servers/s3.ts'
import { recordsOf } from './file-fixture.ts'
import type { FileFormat } from './file-fixture.ts'

/** Objects in a bucket of a server of their own. */
export interface ObjectsInput extends SourceInput {
  readonly server: S3Server
  readonly records: readonly JsonObject[]
}

const BUCKET = 'logs'
const OBJECTS = 3
const EACH = 10

const written = (word: string, at: number): JsonObject[] => recordsOf(word, at * EACH, EACH)

/** A fixture of `sourceContract` for the s3 source: three objects of a format. */
export function objectsFixture({ name, write, config, damage }: FileFormat): SourceFixture<ObjectsInput> {
  const keyOf = (at: number): string => `a/${at}-${name}`
  const addAll = (server: S3Server, word: string): JsonObject[] =>
    Array.from({ length: OBJECTS }, (_, at) => {
      const records = written(word, at)
      server.add(BUCKET, keyOf(at), write(records))
      return records
    }).flat()
  return {
    async open() {
      const server = await startS3Server({ buckets: [BUCKET] })
      process.env['AWS_ACCESS_KEY_ID'] = server.accessKeyId
      process.env['AWS_SECRET_ACCESS_KEY'] = server.secretAccessKey
      const where = { endpoint: server.endpoint, region: server.region, forcePathStyle: true }
      return {
        server,
        records: addAll(server, 'old'),
        // Each reading looks for late keys: a replaced object is one.
        config: { path: `s3://${BUCKET}/a/`, lookBackEvery: '1ms', poll: '10ms', ...where, ...config },
        close: () => server.close(),
      }
    },
    replace: ({ server }) => Promise.resolve(addAll(server, 'new')),
    truncate: 'objects do not change: one that is shorter is another one, as tried with replaced ones',
    append({ server }) {
      // One sorts after all others, and one before them.
      const added = [written('late', OBJECTS), written('next', OBJECTS + 1)]
      server.add(BUCKET, `a/0-0-${name}`, write(added[0] ?? []))
      server.add(BUCKET, `a/9-${name}`, write(added[1] ?? []))
      return Promise.resolve(added.flat())
    },
    ...(damage && {
      damage({ server }: ObjectsInput) {
        const whole = [...written('old', 0)]
        const content = write(whole)
        const text = Buffer.from(damage.text)
        server.add(BUCKET, keyOf(0), Buffer.concat([content.subarray(0, content.length - damage.cut), text]))
        return Promise.resolve(whole)
      },
    }),
    fail({ server }) {
      for (let at = 0; at < OBJECTS; at++) server.remove(BUCKET, keyOf(at))
      return Promise.resolve()
    },
    enlarge({ server }, bytes) {
      const records = Array.from({ length: 16 }, () => written('large', 0)[0] ?? {})
      const block = write(records)
      // What the object holds, which is much more than its own size if it is compressed.
      const count = Math.ceil(bytes / JSON.stringify(records).length)
      const size = count * block.length
      server.add(BUCKET, `a/8-${name}`, { size, read: (start, end) => repeated(block, start, end) })
      return Promise.resolve()
    },
  }
}

function* repeated(block: Buffer, start: number, end: number): Generator<Buffer> {
  for (let at = start; at < end;) {
    const from = at % block.length
    const chunk = block.subarray(from, Math.min(block.length, from + end - at))
    yield chunk
    at += chunk.length
  }
}
