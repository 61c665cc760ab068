import assert from 'node:assert/strict'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { memoryDedupKeys, Deduplicator } from '../../../src/delivery/dedup/deduplicate.ts'
import type { Chunk } from '../../../src/record/chunk.ts'
import { NO_DEDUP_BUCKET } from '../../../src/record/batch.ts'
import type { Batch } from '../../../src/record/batch.ts'
import { openBatches } from '../../../src/record/open-batches.ts'
import type { JsonObject } from '../../../src/record/json/json.ts'
import { Paths } from '../../../src/record/paths/path.ts'
import { rebuild } from '../../../src/record/rebuild.ts'
import { defaultLimits } from '../../../src/record/scan.ts'
import { events, lines, openEvents, readIds, readRecords, rollWith, stream } from '../support.ts'
import type { Setup, StreamOptions } from '../support.ts'
import { DAY } from '../../../src/time.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const DEDUP = { stage: 'dedup', memory: 64 << 20 }
const KEY = { dedupKey: ['id', 'timestamp'], dedupTime: 'timestamp' }

describe('deduplication', () => {
  it('writes the first record of each key, within a run and across runs', async (t) => {
    const base = await temporaryFolder(t)
    const first = await run(t, base, [lines(...events(0, 50)), lines(...events(25, 75))])
    assert.deepEqual([first.read, first.written, first.duplicate], [100, 75, 25])
    const second = await run(t, base, [lines(...events(0, 100))])
    assert.deepEqual([second.written, second.duplicate, second.duplicateDiffers], [25, 75, 0])
    assert.deepEqual(
      await readIds(join(base, 'out')),
      Array.from({ length: 100 }, (_, id) => id),
    )
  })

  it('counts duplicates with other content', async (t) => {
    const base = await temporaryFolder(t)
    const [event] = events(1, 2)
    const totals = await run(t, base, [lines(event), lines({ ...event, note: 'other' }), lines(event)])
    assert.deepEqual([totals.written, totals.duplicate, totals.duplicateDiffers], [1, 2, 1])
    assert.deepEqual(await readRecords(join(base, 'out')), [event])
  })

  it('finds duplicates without a usable time', async (t) => {
    const base = await temporaryFolder(t)
    const spellings: JsonObject[] = [
      { id: 1, timestamp: 'soon' },
      { id: 1, timestamp: '0001-01-01T00:00:00Z' },
      { id: 1, timestamp: 17 },
    ]
    const totals = [await run(t, base, [lines(...spellings, ...spellings)]), await run(t, base, [lines(...spellings)])]
    assert.deepEqual(
      totals.map(({ written, duplicate }) => [written, duplicate]),
      [
        [3, 3],
        [0, 3],
      ],
    )
  })

  it('has a dedup bucket for each day of event time', async (t) => {
    const base = await temporaryFolder(t)
    const days = ['2024-03-04T23:59:59Z', '2024-03-05T00:00:00Z', '2024-03-05T00:30:00+01:00']
    await run(t, base, [lines(...days.map((timestamp) => ({ id: 1, timestamp })))])
    const folder = join(base, 'state', 'events', 'dedup')
    assert.deepEqual((await readdir(folder)).toSorted(), ['d19786', 'd19787'])
    assert.deepEqual([(await stat(join(folder, 'd19786'))).size, (await stat(join(folder, 'd19787'))).size], [32, 16])
  })

  it('adds no key for a dropped or rejected record', async (t) => {
    const base = await temporaryFolder(t)
    const [event] = events(1, 2)
    const totals = await run(t, base, [lines(event), lines(event), lines(event), lines(event)], {
      stage: (batch) => {
        if (batch.number === 0) batch.drop(0, 'noise')
        if (batch.number === 1) batch.reject(0, 'NO_OWNER', 'owner')
        return batch
      },
    })
    assert.deepEqual([totals.written, totals.duplicate, totals.rejected], [1, 1, 1])
  })

  it('rejects a record once, however often it is read', async (t) => {
    const base = await temporaryFolder(t)
    const bytes = Buffer.concat([lines(...events(0, 3)), Buffer.from('{"broken\n{"id":4}\n')])
    const skipped = [{ line: 9, length: 2_000_000, digest: 'ab'.repeat(32) }]
    const first = await run(
      t,
      base,
      [
        { bytes, skipped },
        { bytes, skipped },
      ],
      { stage: rejectAll },
    )
    assert.deepEqual([first.rejected, first.duplicate], [6, 6])
    const second = await run(t, base, [{ bytes, skipped }], { stage: rejectAll })
    assert.deepEqual([second.rejected, second.duplicate], [0, 6])
    assert.equal((await readRecords(join(base, 'state', 'events', 'rejects'))).length, 6)
  })

  it('writes all records that were made from the same record', async (t) => {
    const base = await temporaryFolder(t)
    const [event] = events(1, 2)
    const totals = await run(t, base, [lines(event, event), lines(event)], {
      stage: (batch) => {
        const made = Array.from({ length: batch.count }, (_, from) => [
          { bytes: batch.line(from), from },
          { bytes: Buffer.from('{"made":true}'), from },
        ])
        return rebuild(batch, made.flat())
      },
    })
    assert.deepEqual([totals.read, totals.added, totals.written, totals.duplicate], [3, 3, 2, 4])
    assert.deepEqual(await readRecords(join(base, 'out')), [event, { made: true }])
  })

  it('does not treat records of a split chunk as siblings', async (t) => {
    const base = await temporaryFolder(t)
    const [event] = events(1, 2)
    const large = lines({ ...event, text: 'x'.repeat(1_000_000) })
    let batches = 0
    const stage = (batch: Batch) => {
      batches++
      return rebuild(
        batch,
        Array.from({ length: batch.count }, (_, from) => ({ bytes: batch.line(from), from })),
      )
    }
    const totals = await run(t, base, [Buffer.concat([large, large, large, large])], { stage })
    assert.ok(batches > 1)
    assert.deepEqual([totals.written, totals.duplicate], [1, 3])
  })

  it('does not treat records without a source record as siblings', async () => {
    const paths = new Paths()
    const options = { partition: '', number: 0, paths, limits: defaultLimits }
    const [batch] = openBatches({ bytes: lines({ id: 1 }) }, options)
    const made = ['{"id":1}', '{"id":2}', '{"id":2}'].map((text, i) => ({
      bytes: Buffer.from(text),
      from: Math.min(i, 1),
    }))
    const [rebuilt] = rebuild(batch, made)
    rebuilt.digests = {
      keys: Uint32Array.from([1, 2, 2].flatMap((id) => [id, id, id, 0])),
      buckets: new Int32Array(3).fill(NO_DEDUP_BUCKET),
    }
    const result = await new Deduplicator(memoryDedupKeys()).deduplicate(rebuilt)
    assert.deepEqual([[...result.written], result.duplicate], [[0, 1], 1])
  })

  it('stops when its memory is used up, names the option, and keeps committed records', async (t) => {
    const base = await temporaryFolder(t)
    const dedup = { stage: 'dedup-2', memory: 200_000 }
    const chunks = Array.from({ length: 40 }, (_, i) => ({
      bytes: lines(...events(i * 500, i * 500 + 500)),
      position: i + 1,
    }))
    const commit = await openEvents(t, { base, dedup, sink: { roll: rollWith({ maxRecords: 1000 }) } })
    await assert.rejects(stream({ commit, chunks, ...KEY }), {
      code: 'DEDUP_MEMORY',
      message: /index of dedup-2 .* raise `memory` of dedup-2/,
    })
    assert.ok(Number(commit.position()) > 0)
    assert.equal(commit.totals().written, Number(commit.position()) * 500)
  })

  it('unloads the dedup buckets that the open epoch does not use when memory is scarce', async (t) => {
    const base = await temporaryFolder(t)
    const dedup = { stage: 'dedup', memory: 200_000 }
    const chunks = Array.from({ length: 20 }, (_day, day) => {
      const timestamp = new Date(Date.UTC(2024, 0, 1 + day)).toISOString()
      return { bytes: lines(...Array.from({ length: 1000 }, (_id, id) => ({ id, timestamp }))) }
    })
    const sink = { roll: rollWith({ maxRecords: 1000 }) }
    const first = await run(t, base, chunks, {}, { dedup, sink })
    assert.equal(first.written, 20_000)
    // An epoch without written records does not end by its number of records, so each day has its
    // own run.
    for (const chunk of [...chunks, ...chunks]) {
      const again = await run(t, base, [chunk], {}, { dedup, sink })
      assert.deepEqual([again.written, again.duplicate], [0, 1000])
    }
  })
})

describe('the expiry of dedup keys', () => {
  const within = { ...DEDUP, within: 2 * DAY }
  const sink = { roll: rollWith({ maxRecords: 1 }) }

  it("follows the source's committed low watermark", async (t) => {
    const base = await temporaryFolder(t)
    await run(t, base, [1, 2, 3, 4].map(at), {}, { dedup: within, sink })
    // On day 4 no record before day 4 can arrive, and the end of day 2 is less than two days
    // earlier.
    assert.equal(await buckets(base), 3)
    await run(t, base, [at(20)], {}, { dedup: within, sink })
    assert.equal(await buckets(base), 1)
    const again = await run(t, base, [at(20)], {}, { dedup: within, sink })
    assert.equal(again.duplicate, 1)
  })

  it('waits for the slowest source partition', async (t) => {
    const base = await temporaryFolder(t)
    await run(t, base, [at(1), { ...at(2), partition: 'b' }, at(20), at(30)], {}, { dedup: within, sink })
    assert.equal(await buckets(base), 4)
  })

  it('does not happen while a source without low watermarks is read', async (t) => {
    const base = await temporaryFolder(t)
    const { lowWatermark: _none, ...old } = at(1)
    await run(t, base, [{ ...old, partition: 'archive' }, at(20), at(30)], {}, { dedup: within, sink })
    assert.equal(await buckets(base), 3)
  })

  it('never affects the keys of an archive', async (t) => {
    const base = await temporaryFolder(t)
    const { lowWatermark: _none, ...old } = at(1)
    await run(t, base, [{ ...old, partition: 'archive' }], {}, { dedup: within, sink })
    await run(t, base, [at(20), at(30)], {}, { dedup: within, sink })
    assert.equal(await buckets(base), 2)
    const again = await run(t, base, [{ ...old, partition: 'overlap' }], {}, { dedup: within, sink })
    assert.equal(again.duplicate, 1)
  })

  it('happens only in a run that commits records', async (t) => {
    const base = await temporaryFolder(t)
    await run(t, base, [at(1), at(20)], {}, { dedup: { ...DEDUP, within: 30 * DAY }, sink })
    await run(t, base, [], {}, { dedup: within, sink })
    assert.equal(await buckets(base), 2)
    await run(t, base, [at(20)], {}, { dedup: within, sink })
    assert.equal(await buckets(base), 1)
  })

  it('ignores a low watermark without a position', async (t) => {
    const base = await temporaryFolder(t)
    const { position: _none, ...loose } = at(20)
    await run(t, base, [at(1), at(2), loose], {}, { dedup: within, sink })
    assert.equal(await buckets(base), 3)
  })

  it('does not happen without `within`', async (t) => {
    const base = await temporaryFolder(t)
    await run(t, base, [at(1), at(20), at(30)], {}, { sink })
    assert.equal(await buckets(base), 3)
  })

  it('affects keys without an event time by the progress at which they were added', async (t) => {
    const base = await temporaryFolder(t)
    await run(t, base, [odd(1), odd(2), odd(2), odd(3)], {}, { dedup: within, sink })
    assert.equal(await buckets(base), 3)
    await run(t, base, [odd(20)], {}, { dedup: within, sink })
    assert.deepEqual(await readdir(join(base, 'state', 'events', 'dedup')), ['p19742'])
  })
})

function rejectAll(batch: Batch): Batch {
  for (let record = 0; record < batch.count; record++) batch.reject(record, 'NO_OWNER', 'owner')
  return batch
}

/** A chunk from noon of a day in January. Its low watermark is the start of that day. */
function at(day: number): Chunk {
  const timestamp = new Date(Date.UTC(2024, 0, day, 12)).toISOString()
  return { partition: 'a', bytes: lines({ id: day, timestamp }), position: day, lowWatermark: Date.UTC(2024, 0, day) }
}

/** The same, without a usable event time. */
function odd(day: number): Chunk {
  return { ...at(day), bytes: lines({ id: day, timestamp: 'soon' }) }
}

async function buckets(base: string): Promise<number> {
  return (await readdir(join(base, 'state', 'events', 'dedup'))).length
}

/** Does one run and returns its totals. */
async function run(
  t: TestContext,
  base: string,
  chunks: readonly (Buffer | Chunk)[],
  streaming: Partial<StreamOptions> = {},
  options: Partial<Setup> = {},
) {
  const commit = await openEvents(t, { base, dedup: DEDUP, ...options })
  const given = chunks.map((chunk) => (Buffer.isBuffer(chunk) ? { bytes: chunk } : chunk))
  await stream({ commit, chunks: given, ...KEY, ...streaming })
  await commit.close()
  return commit.totals()
}
