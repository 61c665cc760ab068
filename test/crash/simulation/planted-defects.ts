import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Database } from '../../../src/delivery/state/database.ts'
import type { Files, OpenFile } from '../../../src/files.ts'
import { nameOf } from './store.ts'
import type { Life, Plant } from './world.ts'

/** Defects that a protocol like this one could have, each of them loses or repeats records in some story. */
export const plants: readonly Plant[] = [
  {
    name: 'a position is kept when its records are read',
    stage(batch, life) {
      const { partition, position } = batch
      if (position !== undefined) {
        const database = life.world.state.port(life.process)
        database.transactionSync(() => database.putSync(partitionKey(partition), { partition, position }))
      }
      return [batch]
    },
  },
  {
    name: 'claims count before their epoch is committed',
    files: (files, life) =>
      withFile(files, (file, path) => ({
        ...file,
        async fdatasync() {
          await file.fdatasync()
          if (path.includes('/dedup/')) keepClaims(path, life)
        },
      })),
  },
  {
    name: 'data is not synced',
    files: (files, life) => withoutSync(files, life, '/outbox/'),
  },
  {
    name: 'claims are not synced',
    files: (files, life) => withoutSync(files, life, '/dedup/'),
  },
  {
    name: 'rejects are not synced',
    files: (files, life) => withoutSync(files, life, '/rejects/'),
  },
  {
    name: 'names of files of rejects are not synced',
    files: (files, life) => withoutFolderSync(files, life, 'rejects'),
  },
  {
    name: 'rejects are forgotten when they are read',
    reject({ epoch }, life) {
      const database = life.world.state.port(life.process)
      database.transactionSync(() => database.removeSync(['localRejects', epoch]))
    },
  },
  {
    name: 'rejects are forgotten behind the commit of what was made of them',
    database(database) {
      const late: (() => void)[] = []
      return override(database, {
        transactionSync(change) {
          const result = database.transactionSync(change)
          const changes = late.splice(0)
          if (changes.length > 0) database.transactionSync(() => changes.forEach((forget) => forget()))
          return result
        },
        putSync(key, value) {
          if (isForgetting(key, value)) late.push(() => database.putSync(key, value))
          else database.putSync(key, value)
        },
        removeSync(key) {
          if (isKind(key, 'localRejects')) late.push(() => database.removeSync(key))
          else database.removeSync(key)
        },
      })
    },
  },
  {
    name: 'names in the outbox are not synced',
    files: (files, life) => withoutFolderSync(files, life, 'outbox'),
  },
  {
    name: 'names of claim files are not synced',
    files: (files, life) => withoutFolderSync(files, life, 'dedup'),
  },
  {
    name: "the name of the database's file is not synced",
    files: (files, life) => withoutFolderSync(files, life, 'state'),
  },
  {
    name: 'transactions are not flushed',
    database: (database, { process }) => override(database, { get: { flushed: () => process.pretend('flush') } }),
  },
  {
    name: 'transactions are applied put by put',
    database: (database) =>
      override(database, {
        transactionSync: (change) => change(),
        putSync: (key, value) => database.transactionSync(() => database.putSync(key, value)),
        removeSync: (key) => database.transactionSync(() => database.removeSync(key)),
      }),
  },
  {
    name: 'an upload swallows an error',
    sink: (sink, { process }) => ({
      ...sink,
      async publish(...call) {
        if (process.operations.length % 4 !== 0) await sink.publish(...call)
      },
    }),
  },
  {
    name: 'an object has another key at each attempt',
    sink: (sink, { process }) => ({
      ...sink,
      publish: (file, { bucket }, ...rest) =>
        sink.publish(file, { bucket, key: `${file.sha256}.${process.operations.length}` }, ...rest),
    }),
  },
  {
    name: 'an object is written over',
    sink: (sink, { world, process }) => ({
      ...sink,
      publish: ({ path }, destination) =>
        process.act('put object', () => world.store.put(nameOf(destination), world.disk.read(path))),
    }),
  },
  {
    name: 'a file is deleted before its row is retired',
    sink: (sink, { world, process }) => ({
      ...sink,
      async publish(file, ...rest) {
        await sink.publish(file, ...rest)
        await process.act('unlink outbox', () => world.disk.remove(file.path))
      },
    }),
  },
  {
    name: 'a row is deleted before its object is published',
    database: (database) =>
      override(database, {
        putSync: (key, value) => (isKind(key, 'object') ? undefined : database.putSync(key, value)),
      }),
  },
  {
    name: 'files that no row names are kept',
    files: (files) => ({
      ...files,
      unlink: (path) => (path.includes('/outbox/') ? Promise.resolve() : files.unlink(path)),
    }),
  },
  {
    name: 'an epoch has the number of the one before',
    database: (database) =>
      override(database, {
        putSync: (key, value) => (isKind(key, 'epoch') ? undefined : database.putSync(key, value)),
      }),
  },
  {
    name: "a position is written over another partition's",
    database: (database) =>
      override(database, {
        putSync(key, value) {
          database.putSync(key, value)
          if (!isKind(key, 'partition') || !isPartition(value) || value.partition !== 'source:a') return
          database.putSync(partitionKey('source:b'), { ...value, partition: 'source:b' })
        },
      }),
  },
  {
    name: 'a position comes before the last of its records',
    chunk: (chunk) => ({ ...chunk, position: Number(chunk.origin?.name.slice('page '.length)) }),
  },
  {
    name: 'claims are forgotten by the clock',
    chunk: (chunk) => ({ ...chunk, ...(chunk.position !== undefined && { lowWatermark: Date.now() }) }),
  },
  {
    name: 'an epoch ends between the chunks of a batch',
    stage(batch, { process }) {
      if (batch.end) return [batch]
      const chunks = piecesSeen.get(process) ?? 0
      piecesSeen.set(process, chunks + 1)
      return [Object.assign(batch, { number: chunks, continues: false })]
    },
  },
  {
    name: 'the failure of a source is taken for its end',
    stage: (batch) => [batch.end ? Object.assign(batch, { end: { kind: 'done' } }) : batch],
  },
]

/** Of a workload with one partition. */
const piecesSeen = new WeakMap<Life['process'], number>()

function withFile(files: Files, change: (file: OpenFile, path: string) => OpenFile): Files {
  return { ...files, open: async (path, flags) => change(await files.open(path, flags), path) }
}

function withoutSync(files: Files, { process }: Life, part: string): Files {
  return withFile(files, (file, path) =>
    path.includes(part) ? { ...file, fdatasync: () => process.pretend('fdatasync') } : file,
  )
}

function withoutFolderSync(files: Files, { process }: Life, name: string): Files {
  const fsyncFolder = (folder: string) =>
    basename(folder) === name ? process.pretend('fsyncFolder') : files.fsyncFolder(folder)
  return { ...files, fsyncFolder }
}

function keepClaims(path: string, { world, process }: Life): void {
  const database = world.state.port(process)
  const content = world.disk.read(path)
  const name = basename(path)
  const row = { name, length: content.length, crc: crc32(content) }
  database.transactionSync(() => database.putSync(['dedupBucket', name], row))
}

interface Overrides extends Partial<Pick<Database, 'transactionSync' | 'putSync' | 'removeSync'>> {
  readonly get?: { readonly flushed: () => Promise<void> }
}

function override(database: Database, { get, ...methods }: Overrides): Database {
  return {
    get: (key) => database.get(key),
    getRange: (range) => database.getRange(range),
    transactionSync: (change) => database.transactionSync(change),
    putSync: (key, value) => database.putSync(key, value),
    removeSync: (key) => database.removeSync(key),
    get flushed() {
      return get?.flushed() ?? database.flushed
    },
    close: () => database.close(),
    ...methods,
  }
}

function isKind(key: unknown, kind: string): boolean {
  return [key].flat()[0] === kind
}

function isForgetting(key: unknown, value: unknown): boolean {
  return isKind(key, 'localRejects') && typeof value === 'object' && value !== null && 'replayed' in value
}

function isPartition(value: unknown): value is { partition: string } {
  return typeof value === 'object' && value !== null && 'partition' in value
}

function partitionKey(partition: string): string[] {
  return ['partition', createHash('sha256').update(partition).digest('hex')]
}
