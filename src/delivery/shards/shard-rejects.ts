import { SluiceError } from '../../errors.ts'
import { LINE_FEED } from '../../record/json/ascii.ts'
import type { Batch } from '../../record/batch.ts'
import type { Partitioner } from '../outbox/partitioner.ts'
import { formatRejectId } from '../rejects/reject-id.ts'
import type { RejectId } from '../rejects/reject-id.ts'
import type { ShardOutput } from './shard.ts'

/**
 * The rejects of one execution of a shard, in memory. A reject gets its id from the epoch that commits
 * it, so the coordinator writes them: `linesWithIds`.
 */
export class ShardRejects {
  readonly #partitioner: Partitioner | undefined
  readonly #lines: Buffer[] = []
  readonly #keys: { readonly key: string; lines: number }[] = []
  #bytes = 0

  /** @param partitioner of the `rejects` sink, if there is one */
  constructor(partitioner: Partitioner | undefined) {
    this.#partitioner = partitioner
  }

  /** The number of the next reject. */
  get count(): number {
    return this.#lines.length
  }

  /** @throws SluiceError SHARD_TOO_LARGE */
  append(_epoch: number, line: Buffer): Promise<void> {
    this.#lines.push(line)
    this.#bytes += line.length
    if (this.#bytes <= MAX_BYTES) return Promise.resolve()
    throw new SluiceError(
      'SHARD_TOO_LARGE',
      `the rejects of one shard take more than ${MAX_BYTES >> 20} MiB: most of its records are rejected`,
      {
        hint: 'look at some of them with `sluice preview`, correct the pipeline, and start the same command again; to collect them all, cancel the backfill with `sluice runs cancel`, and start it again with --workers 1 or a smaller --shard-size',
      },
    )
  }

  /** Remembers where the copy of a reject goes. */
  appendReject(batch: Batch, record: number): Promise<void> {
    const key = this.#partitioner?.(batch, record) ?? ''
    const last = this.#keys.at(-1)
    if (last?.key === key) last.lines++
    else this.#keys.push({ key, lines: 1 })
    return Promise.resolve()
  }

  /** Shards replay nothing. */
  forget(): void {}

  output(): Pick<ShardOutput, 'rejects' | 'rejectKeys'> {
    const rejects = Buffer.concat(this.#lines)
    return this.#partitioner ? { rejects, rejectKeys: this.#keys } : { rejects }
  }
}

/** Rejects travel to the coordinator in one message, and wait there in memory. */
const MAX_BYTES = 128 << 20

/**
 * Lines of `ShardOutput.rejects`, each with the id that the epoch gives it. A line begins with the id
 * of its execution, see `rejectLine`.
 */
export function* linesWithIds(rejects: Uint8Array, epoch: number): Generator<Buffer, void> {
  const bytes = Buffer.from(rejects.buffer, rejects.byteOffset, rejects.byteLength)
  let id: RejectId = { epoch, at: 0 }
  for (let from = 0; from < bytes.length;) {
    const end = bytes.indexOf(LINE_FEED, from) + 1
    const afterId = bytes.indexOf(AFTER_ID, from)
    if (end === 0 || afterId < 0 || afterId > end)
      throw new SluiceError('INTERNAL', 'a shard has a reject without an id')
    yield Buffer.concat([Buffer.from(`{"id":"${formatRejectId(id)}`), bytes.subarray(afterId, end)])
    id = { epoch, at: id.at + 1 }
    from = end
  }
}

const AFTER_ID = '","code":'
