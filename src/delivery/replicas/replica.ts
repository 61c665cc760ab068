/*
 * Replicas: several processes divide the tenants of a source, each with a state of its own. So the
 * commit protocol needs nothing new. What must hold is that no tenant is collected by two of them:
 *
 * - The state knows its replica and refuses another one (`check-replica.ts`).
 * - A replica without a state knows nothing but SLUICE_SHARD_KEY (`shard-key.ts`). It names the count,
 *   so somebody who changes nothing but the count is refused, by new replicas too.
 * - When the count changes, tenants move by files. An export marks them as moved, in one transaction,
 *   and then writes the file (`export-state.ts`). An import is one transaction (`import-state.ts`).
 *   After a crash a tenant has one owner, or none; the same command continues.
 * - A replica does not start before it has the exports of all that may send it tenants.
 *
 * Dedup keys move unchanged: the hash key is in SLUICE_SHARD_KEY, hence the same in all replicas. An
 * entry does not show its tenant, so an export has all keys of its replica.
 */
import { createHash } from 'node:crypto'

/**
 * One of several processes that collect the tenants of a pipeline, each with a state of its own. A
 * tenant belongs to exactly one of them, see `ownerOf`.
 */
export interface Replica {
  /** From 1. */
  readonly number: number
  readonly count: number
}

/** A process that collects all tenants. */
export const ALONE: Replica = { number: 1, count: 1 }

/**
 * The number of the replica that collects a tenant: jump consistent hash (Lamping and Veach, 2014)
 * of the first 8 bytes, big-endian, of SHA-256 of `<pipeline>\0<tenant>`, plus 1. Evenly spread, the
 * same on every machine, for ever. From one count to a larger one a tenant stays or moves to a new
 * replica; to a smaller one, only the tenants of the removed replicas move. The name of the pipeline
 * counts, so that pipelines with one tenant each are spread too.
 */
export function ownerOf(pipeline: string, tenant: string, count: number): number {
  let key = createHash('sha256').update(`${pipeline}\0${tenant}`).digest().readBigUInt64BE()
  let owner = 0
  for (let next = 0; next < count;) {
    owner = next
    key = BigInt.asUintN(64, key * MULTIPLIER + 1n)
    next = Math.floor((owner + 1) * (2 ** 31 / (Number(key >> 33n) + 1)))
  }
  return owner + 1
}

/** Of the generator that the authors of the hash use. */
const MULTIPLIER = 2862933555777941757n

/** The replicas of an earlier count whose tenants may belong to this one now. */
export function sendersTo({ number, count }: Replica, was: number): number[] {
  const all = Array.from({ length: was }, (_, at) => at + 1)
  if (count > was) return number > was ? all : []
  return all.filter((sender) => sender > count)
}

/** `replica 2/5` */
export function nameOf({ number, count }: Replica): string {
  return `replica ${number}/${count}`
}
