import { DedupIndex } from '../../../../src/delivery/dedup/dedup-index.ts'
import { KeyJudge } from '../../../../src/delivery/shards/results/key-judge.ts'
import { PlanProgress } from '../../../../src/delivery/shards/plan/plan-progress.ts'
import { Reservations } from '../../../../src/delivery/shards/results/reservations.ts'
import { nameOf } from './store.ts'
import { inLaterTransaction, isKind, override, withoutFolderSync, withoutSync } from './planted-defects.ts'
import { damagedArchive, lineShards, stagedArchives } from './shard-workload.ts'
import type { PlantedDefect } from './world.ts'

/** Defects that the commit of shards could have. Some are planted in the code under test itself. */
export const plantedShardDefects: readonly PlantedDefect[] = [
  {
    name: 'a reservation is not released when its shard fails',
    plant: () => replace(Reservations.prototype, 'release', () => () => undefined),
  },
  {
    name: 'a position moves before the last part is committed',
    plant: () =>
      replace(
        PlanProgress.prototype,
        'completedBy',
        () => (shard, read) =>
          read(shard).parts.map((part, at) => ({
            partition: part.partition,
            parts: [{ part, end: read(shard).ends[at] ?? undefined }],
          })),
      ),
  },
  {
    name: 'a leave-out list is not synced',
    workload: stagedArchives,
    files: (files, run) => withoutSync(files, run, '/shards/'),
  },
  {
    name: 'the folder of leave-out lists is not synced',
    workload: stagedArchives,
    files: (files, run) => withoutFolderSync(files, run, 'shards'),
  },
  {
    name: 'a leave-out list is deleted when its shard is committed',
    workload: stagedArchives,
    database: (database, { environment, folder }) =>
      override(database, {
        putSync(key, value) {
          database.putSync(key, value)
          const row = JSON.stringify(value)
          const [, file] = /"leaveOut":\{"file":"([^"]+)"/.exec(row) ?? []
          if (file !== undefined) environment.disk.remove(`${folder}/shards/${file}`)
        },
      }),
  },
  {
    name: 'keys of a result that is discarded are added',
    plant: () =>
      replace(
        DedupIndex.prototype,
        'lookUp',
        (lookUp) =>
          async function (this: DedupIndex, entries, day, found) {
            await lookUp.call(this, entries, day, found)
            await this.addAll(entries, day)
          },
      ),
  },
  {
    name: 'a result is committed that has left out keys which another shard has only reserved',
    plant: () =>
      replace(
        KeyJudge.prototype,
        'judge',
        (judge) =>
          async function (this: KeyJudge, keys, shard) {
            const judged = await judge.call(this, keys, shard)
            judged.owners.clear()
            return judged
          },
      ),
  },
  {
    name: 'a key counts as taken although the shard that reserved it has failed',
    plant: () =>
      replace(
        Reservations.prototype,
        'release',
        (release) =>
          function (this: Reservations, shard) {
            if (this.orderOf(shard) === Infinity) release.call(this, shard)
          },
      ),
  },
  {
    name: 'results are not looked up',
    plant: () => replace(DedupIndex.prototype, 'lookUp', () => () => Promise.resolve()),
  },
  {
    name: 'results are not looked up, and keys that exist are skipped',
    plant() {
      const lookUp = replace(DedupIndex.prototype, 'lookUp', () => () => Promise.resolve())
      const addAll = replace(
        DedupIndex.prototype,
        'addAll',
        (add) =>
          async function (this: DedupIndex, entries, day) {
            await add.call(this, entries, day)
            return entries.length / 4
          },
      )
      return () => (addAll(), lookUp())
    },
  },
  {
    name: 'records without a time are looked up in one dedup bucket only',
    plant: () =>
      replace(
        DedupIndex.prototype,
        'lookUp',
        (lookUp) =>
          async function (this: DedupIndex, entries, day, found) {
            if (day >= 0) await lookUp.call(this, entries, day, found)
          },
      ),
  },
  {
    name: 'a shard is marked in a later transaction than its records are committed',
    workload: lineShards,
    database: (database) =>
      inLaterTransaction(database, {
        puts: (key, value) => isKind(key, 'shard') && JSON.stringify(value).includes('"done"'),
      }),
  },
  {
    name: 'a plan counts before it is complete',
    workload: damagedArchive,
    database(database) {
      return override(database, {
        putSync(key, value) {
          database.putSync(key, value)
          if (!isKind(key, 'shardParts')) return
          const run = { id: '00000000', number: 1, createdAt: 0, shards: 1, bytes: 1, source: 'archives' }
          if (!database.get('shardRun')) database.putSync('shardRun', run)
        },
      })
    },
  },
  {
    name: 'a staged object is visible before its commit',
    workload: stagedArchives,
    sink: (sink, { environment, process }) => ({
      ...sink,
      async stage(file, destination, signal) {
        const bytes = environment.disk.read(file.path)
        const name = nameOf(destination)
        await process.act('put object', () => environment.store.objects.has(name) || environment.store.put(name, bytes))
        return (await sink.stage?.(file, destination, signal)) ?? null
      },
    }),
  },
  {
    name: 'an object that is gone counts as published',
    workload: stagedArchives,
    sink: (sink) => ({
      ...sink,
      async publishStaged(...call) {
        await sink.publishStaged?.(...call)
        return 'published'
      },
    }),
  },
  {
    name: 'what dead workers have staged is not removed',
    workload: stagedArchives,
    sink: (sink) => ({ ...sink, sweepStaged: () => Promise.resolve(0) }),
  },
]

/** Replaces a method. Returns what puts it back. */
function replace<Of extends object, Name extends keyof Of>(
  prototype: Of,
  name: Name,
  change: (method: Of[Name]) => Of[Name],
): () => void {
  const method = prototype[name]
  prototype[name] = change(method)
  return () => {
    prototype[name] = method
  }
}
