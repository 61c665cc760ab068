import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Database } from '../../../../src/delivery/state/database.ts'
import type { Files, OpenFile } from '../../../../src/files.ts'
import { nameOf } from './store.ts'
import { pages, routed } from './workload.ts'
import type { SimulatedRun, PlantedDefect } from './world.ts'

/**
 * Defects that a commit protocol could have. Each of them loses or repeats records for some crash
 * plan.
 */
export const plantedDefects: readonly PlantedDefect[] = [
  {
    name: 'a position is committed when its records are read',
    stage(batch, run) {
      const { partition, position } = batch
      if (position !== undefined) {
        const database = run.environment.state.port(run.process)
        database.transactionSync(() => database.putSync(partitionKey(partition), { partition, position }))
      }
      return [batch]
    },
  },
  {
    name: 'dedup keys are valid before their epoch is committed',
    files: (files, run) =>
      withFile(files, (file, path) => ({
        ...file,
        async fdatasync() {
          await file.fdatasync()
          if (path.includes('/dedup/')) commitKeysEarly(path, run)
        },
      })),
  },
  {
    name: 'outbox files are not synced',
    files: (files, run) => withoutSync(files, run, '/outbox/'),
  },
  {
    name: 'dedup keys are not synced',
    files: (files, run) => withoutSync(files, run, '/dedup/'),
  },
  {
    name: 'local rejects are not synced',
    files: (files, run) => withoutSync(files, run, '/rejects/'),
  },
  {
    name: 'a merged file of rejects is not synced',
    workload: pages,
    files: (files, run) => withoutSync(files, run, '.1.ndjson'),
  },
  {
    name: 'a merged file of rejects is committed in a later transaction than its files are removed',
    workload: pages,
    database: (database) => inLaterTransaction(database, { puts: isMerging }),
  },
  {
    name: 'files of rejects are deleted before the merged one is committed',
    workload: pages,
    files: (files) =>
      withFile(files, (file, path) => ({
        ...file,
        async fdatasync() {
          await file.fdatasync()
          if (path.endsWith('.1.ndjson')) await files.unlink(path.replace('.1.ndjson', '.ndjson'))
        },
      })),
  },
  {
    name: 'the folder of local rejects is not synced',
    files: (files, run) => withoutFolderSync(files, run, 'rejects'),
  },
  {
    name: 'a reject is forgotten when it is read for a replay',
    reject({ epoch }, run) {
      const database = run.environment.state.port(run.process)
      database.transactionSync(() => database.removeSync(['localRejects', epoch]))
    },
  },
  {
    name: 'a reject is forgotten in a later transaction than its records are committed',
    database: (database) =>
      inLaterTransaction(database, {
        puts: isForgetting,
        removes: (key) => isKind(key, 'localRejects'),
      }),
  },
  {
    name: 'the objects of one sink are committed in a later transaction than those of the other',
    workload: routed,
    database: (database) =>
      inLaterTransaction(database, { puts: (key, value) => isKind(key, 'object') && isFor(value, 'archive') }),
  },
  {
    name: 'the outbox folder is not synced',
    files: (files, run) => withoutFolderSync(files, run, 'outbox'),
  },
  {
    name: 'the dedup folder is not synced',
    files: (files, run) => withoutFolderSync(files, run, 'dedup'),
  },
  {
    name: 'the folder of the database is not synced',
    files: (files, run) => withoutFolderSync(files, run, 'state'),
  },
  {
    name: 'transactions are not flushed',
    database: (database, { process }) => override(database, { get: { flushed: () => process.pretend('flush') } }),
  },
  {
    name: 'a transaction is not atomic',
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
    name: 'an object has another key in each attempt',
    sink: (sink, { process }) => ({
      ...sink,
      publish: (file, { bucket }, ...rest) =>
        sink.publish(file, { bucket, key: `${file.sha256}.${process.operations.length}` }, ...rest),
    }),
  },
  {
    name: 'an existing object is overwritten',
    sink: (sink, { environment, process }) => ({
      ...sink,
      publish: ({ path }, destination) =>
        process.act('put object', () => environment.store.put(nameOf(destination), environment.disk.read(path))),
    }),
  },
  {
    name: 'a file is deleted before its row is retired',
    sink: (sink, { environment, process }) => ({
      ...sink,
      async publish(file, ...rest) {
        await sink.publish(file, ...rest)
        await process.act('unlink outbox', () => environment.disk.remove(file.path))
      },
    }),
  },
  {
    name: 'the row of an object is not committed',
    database: (database) =>
      override(database, {
        putSync: (key, value) => (isKind(key, 'object') ? undefined : database.putSync(key, value)),
      }),
  },
  {
    name: 'files without a row are not deleted',
    files: (files) => ({
      ...files,
      unlink: (path) => (path.includes('/outbox/') ? Promise.resolve() : files.unlink(path)),
    }),
  },
  {
    name: 'two epochs have the same number',
    database: (database) =>
      override(database, {
        putSync: (key, value) => (isKind(key, 'epoch') ? undefined : database.putSync(key, value)),
      }),
  },
  {
    name: "a position overwrites another partition's position",
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
    name: 'a position is committed before the last of its records',
    chunk: (chunk) => ({ ...chunk, position: Number(chunk.origin?.name.slice('page '.length)) }),
  },
  {
    name: 'dedup keys expire by the clock',
    chunk: (chunk) => ({ ...chunk, ...(chunk.position !== undefined && { lowWatermark: Date.now() }) }),
  },
  {
    name: 'an epoch ends between the chunks of a batch',
    stage(batch, { process }) {
      if (batch.end) return [batch]
      const chunks = chunksSeen.get(process) ?? 0
      chunksSeen.set(process, chunks + 1)
      return [Object.assign(batch, { number: chunks, continues: false })]
    },
  },
  {
    name: 'a failure of the source is treated as its end',
    stage: (batch) => [batch.end ? Object.assign(batch, { end: { kind: 'done' } }) : batch],
  },
]

/** Counts batches and chunks alike, for a workload with one source partition. */
const chunksSeen = new WeakMap<SimulatedRun['process'], number>()

function withFile(files: Files, change: (file: OpenFile, path: string) => OpenFile): Files {
  return { ...files, open: async (path, flags) => change(await files.open(path, flags), path) }
}

export function withoutSync(files: Files, { process }: SimulatedRun, part: string): Files {
  return withFile(files, (file, path) =>
    path.includes(part) ? { ...file, fdatasync: () => process.pretend('fdatasync') } : file,
  )
}

export function withoutFolderSync(files: Files, { process }: SimulatedRun, name: string): Files {
  const fsyncFolder = (folder: string) =>
    basename(folder) === name ? process.pretend('fsyncFolder') : files.fsyncFolder(folder)
  return { ...files, fsyncFolder }
}

function commitKeysEarly(path: string, { environment, process }: SimulatedRun): void {
  const database = environment.state.port(process)
  const content = environment.disk.read(path)
  const name = basename(path)
  const row = { name, length: content.length, crc: crc32(content) }
  database.transactionSync(() => database.putSync(['dedupBucket', name], row))
}

interface Overrides extends Partial<Pick<Database, 'transactionSync' | 'putSync' | 'removeSync'>> {
  readonly get?: { readonly flushed: () => Promise<void> }
}

export function override(database: Database, { get, ...methods }: Overrides): Database {
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

function isFor(row: unknown, sink: string): boolean {
  return typeof row === 'object' && row !== null && 'sink' in row && row.sink === sink
}

/** Commits some of the changes of each transaction in one of their own, after it. */
export function inLaterTransaction(
  database: Database,
  late: {
    readonly puts: (key: unknown, value: unknown) => boolean
    readonly removes?: (key: unknown) => boolean
  },
): Database {
  const waiting: (() => void)[] = []
  return override(database, {
    transactionSync(change) {
      const result = database.transactionSync(change)
      const changes = waiting.splice(0)
      if (changes.length > 0) database.transactionSync(() => changes.forEach((apply) => apply()))
      return result
    },
    putSync(key, value) {
      if (late.puts(key, value)) waiting.push(() => database.putSync(key, value))
      else database.putSync(key, value)
    },
    removeSync(key) {
      if (late.removes?.(key) === true) waiting.push(() => database.removeSync(key))
      else database.removeSync(key)
    },
  })
}

export function isKind(key: unknown, kind: string): boolean {
  return [key].flat()[0] === kind
}

function isForgetting(key: unknown, value: unknown): boolean {
  return isKind(key, 'localRejects') && typeof value === 'object' && value !== null && 'replayed' in value
}

function isMerging(key: unknown, value: unknown): boolean {
  return isKind(key, 'localRejects') && typeof value === 'object' && value !== null && 'edition' in value
}

function isPartition(value: unknown): value is { partition: string } {
  return typeof value === 'object' && value !== null && 'partition' in value
}

function partitionKey(partition: string): string[] {
  return ['partition', createHash('sha256').update(partition).digest('hex')]
}
