import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { SluiceError } from '../../errors.ts'
import { HASH_KEY_BYTES } from '../../record/digest.ts'

/** The variable that holds what all replicas of a pipeline have in common. */
export const SHARD_KEY = 'SLUICE_SHARD_KEY'

/**
 * What all replicas of a pipeline have in common, in one text: `<count>.<was>.<hash key>.<check>`.
 *
 * The hash key is a secret: dedup keys that one replica has written are recognized by another one
 * only if both make them with the same hash key. The counts are in it because it is all that a
 * replica without a state knows: whoever changes the count of a running pipeline needs another text,
 * and only `sluice state export` makes it. The check makes sure that nobody changes the count by
 * hand, which would start tenants from their beginning a second time.
 */
export interface ShardKey {
  readonly count: number
  /** The count before it was changed; 0 if it never was. */
  readonly was: number
  readonly hashKey: Buffer
}

export function newShardKey(count: number): ShardKey {
  return { count, was: 0, hashKey: randomBytes(HASH_KEY_BYTES) }
}

export function formatShardKey({ count, was, hashKey }: ShardKey): string {
  return `${count}.${was}.${hashKey.toString('hex')}.${checkOf({ count, was, hashKey })}`
}

/** @throws SluiceError USAGE; the message never contains the text. */
export function parseShardKey(text: string): ShardKey {
  const [, count = '', was = '', hex = '', check = ''] = FORM.exec(text.trim()) ?? []
  if (check === '') throw invalid(`${SHARD_KEY} does not hold a key of replicas`)
  const key: ShardKey = { count: Number(count), was: Number(was), hashKey: Buffer.from(hex, 'hex') }
  if (timingSafeEqual(Buffer.from(checkOf(key)), Buffer.from(check))) return key
  throw invalid(`${SHARD_KEY} was changed by hand, or is incomplete`)
}

const FORM = /^(\d{1,6})\.(\d{1,6})\.([0-9a-f]{32})\.([0-9a-f]{8})$/

function invalid(message: string): SluiceError {
  return new SluiceError('USAGE', message, {
    hint: '`sluice new shard-key 5` makes one for 5 new replicas; for another number of replicas take the one that `sluice state export` prints',
  })
}

function checkOf({ count, was, hashKey }: ShardKey): string {
  return createHmac('sha256', hashKey).update(`sluice shard key ${count} ${was}`).digest('hex').slice(0, 8)
}
