import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import zlib from 'node:zlib'
import type { Batch } from '../../src/record/batch.ts'
import type { JsonObject } from '../../src/record/json/json.ts'
import { Paths } from '../../src/record/paths/path.ts'
import { rebuild } from '../../src/record/rebuild.ts'
import {
  events,
  fileTarget,
  lines,
  openEvents,
  readIds,
  readObjects,
  readRecords,
  rollWith,
  stream,
} from './support.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

describe('a commit', () => {
  it('writes the records of a run as objects, and lists them in its totals', async (t) => {
    const base = await temporaryFolder(t)
    const commit = await openEvents(t, { base })
    await stream({ commit, chunks: [{ bytes: lines(...events(0, 1000)) }, { bytes: lines(...events(1000, 2500)) }] })
    const { objects, bytesOut, unpublished, sinks, ...tally } = commit.totals()
    assert.deepEqual(sinks, { sink: { records: 2500, objects: 1, bytes: bytesOut, unpublished } })
    assert.deepEqual(unpublished, { objects: 0, records: 0, bytes: 0 })
    assert.ok(objects.every(({ published }) => published))
    assert.deepEqual(
      await readIds(join(base, 'out')),
      Array.from({ length: 2500 }, (_, id) => id),
    )
    assert.equal(objects.length, 1)
    const [object] = objects
    assert.match(object.key, /^events\/events-[0-9a-f]{8}-00000001-000-[0-9a-f]{16}\.ndjson\.gz$/)
    const bytes = await readFile(join(base, 'out', object.key))
    assert.equal(createHash('sha256').update(bytes).digest('hex'), object.sha256)
    assert.ok(object.key.includes(object.sha256.slice(0, 16)))
    assert.deepEqual([object.bytes, object.records, bytesOut], [bytes.length, 2500, bytes.length])
    assert.deepEqual(
      { ...tally, dropped: { ...tally.dropped }, rejects: { ...tally.rejects }, late: { ...tally.late } },
      {
        read: 2500,
        added: 0,
        written: 2500,
        duplicate: 0,
        duplicateDiffers: 0,
        rejected: 0,
        dropped: {},
        rejects: {},
        late: {},
        epochs: 1,
      },
    )
  })

  it('leaves nothing in the outbox', async (t) => {
    const base = await temporaryFolder(t)
    const commit = await openEvents(t, { base })
    await stream({ commit, chunks: [{ bytes: lines({ id: 1 }) }] })
    assert.deepEqual([...(await readObjects(join(base, 'state'))).keys()], [])
  })

  it('merges positions by source partition, for the next run', async (t) => {
    const base = await temporaryFolder(t)
    const first = await openEvents(t, { base })
    assert.equal(first.position('a'), undefined)
    const chunks = [
      { partition: 'a', bytes: lines({ id: 1 }), position: { page: 1 } },
      { partition: 'b', bytes: lines({ id: 2 }), position: 'x' },
      { partition: 'a', bytes: lines({ id: 3 }) },
    ]
    await stream({ commit: first, chunks })
    await first.close()
    const second = await openEvents(t, { base })
    assert.deepEqual([second.position('a'), second.position('b'), second.position('c')], [{ page: 1 }, 'x', undefined])
    await stream({ commit: second, chunks: [{ partition: 'b', position: 'y' }] })
    await second.close()
    const third = await openEvents(t, { base })
    assert.deepEqual([third.position('a'), third.position('b')], [{ page: 1 }, 'y'])
    assert.deepEqual(await readIds(join(base, 'out')), [1, 2, 3])
  })

  it('writes no object for a run without records', async (t) => {
    const base = await temporaryFolder(t)
    const commit = await openEvents(t, { base })
    await stream({ commit, chunks: [] })
    assert.deepEqual([...(await readObjects(base)).keys()], [])
    assert.equal(commit.totals().epochs, 0)
  })

  it('does not change the bytes of records', async (t) => {
    const base = await temporaryFolder(t)
    const commit = await openEvents(t, { base, sink: { compression: 'none' } })
    const text = '{"n":12345678901234567890, "e":1e400,"u":"\\u00e9 é"}\n{ "id" : 2 }\n'
    await stream({ commit, chunks: [{ bytes: Buffer.from(text) }] })
    const [written] = [...(await readObjects(join(base, 'out'))).values()]
    assert.equal(written, text)
  })

  it('refuses a gap in the batches of a source partition, and commits nothing after it', async (t) => {
    const base = await temporaryFolder(t)
    const commit = await openEvents(t, { base })
    const chunks = [0, 1, 2].map((id) => ({ bytes: lines({ id }), position: id }))
    const lossy = stream({ commit, chunks, stage: (batch) => (batch.number === 1 ? [] : batch) })
    await assert.rejects(lossy, { code: 'LEDGER_MISMATCH', message: /batch 2 .* but 1 / })
    await commit.close()
    const next = await openEvents(t, { base })
    assert.equal(next.position(), undefined)
    assert.deepEqual(await readIds(base), [])
  })

  it('refuses a batch whose records do not add up', async (t) => {
    const base = await temporaryFolder(t)
    const commit = await openEvents(t, { base })
    const chunks = [{ bytes: lines({ id: 1 }), position: 1 }]
    const wrong = stream({
      commit,
      chunks,
      stage: (batch) => {
        batch.tallies.read++
        return batch
      },
    })
    await assert.rejects(wrong, { code: 'LEDGER_MISMATCH', message: /2 read .* 1 written/ })
    await commit.close()
    assert.deepEqual(await readIds(base), [])
  })

  it("refuses a stream that ends without the source's end", async (t) => {
    const commit = await openEvents(t, { base: await temporaryFolder(t) })
    const writable = commit.writable()
    writable.end()
    await assert.rejects(new Promise((resolve, reject) => writable.once('finish', resolve).once('error', reject)), {
      code: 'LEDGER_MISMATCH',
    })
  })

  for (const kind of ['interrupted', 'failed'] as const) {
    it(`commits and publishes the records before the source ${kind === 'failed' ? 'failed' : 'was interrupted'}`, async (t) => {
      const base = await temporaryFolder(t)
      const commit = await openEvents(t, { base })
      const end = kind === 'failed' ? { kind, error: new Error('gone') } : { kind }
      await stream({ commit, chunks: [{ bytes: lines({ id: 1 }), position: 7 }], end })
      assert.equal(commit.position(), 7)
      assert.deepEqual(await readIds(join(base, 'out')), [1])
    })
  }

  it('counts dropped and added records', async (t) => {
    const base = await temporaryFolder(t)
    const commit = await openEvents(t, { base })
    await stream({
      commit,
      chunks: [{ bytes: lines({ id: 1 }, { id: 2 }) }],
      stage: (batch) => {
        batch.drop(0, '__proto__')
        return rebuild(batch, [
          { bytes: Buffer.from('{"id":2}'), from: 1 },
          { bytes: Buffer.from('{"id":3}'), from: 1 },
        ])
      },
    })
    const { read, added, written, dropped } = commit.totals()
    assert.deepEqual([read, added, written, Object.entries(dropped)], [2, 1, 2, [['__proto__', 1]]])
    assert.deepEqual(await readIds(join(base, 'out')), [2, 3])
  })

  it('refuses a state with another fingerprint, and names the difference', async (t) => {
    const base = await temporaryFolder(t)
    const first = await openEvents(t, { base, keys: { dedup: { key: ['id'], time: null } } })
    await first.close()
    await assert.rejects(openEvents(t, { base, keys: { dedup: { key: ['id', 'time'], time: null } } }), {
      code: 'STATE_MISMATCH',
      message: /has changed .* dedup\.key/,
    })
    await openEvents(t, { base, keys: { dedup: { time: null, key: ['id'] } } })
  })
})

describe('an epoch', () => {
  it('ends when an object has reached its bytes', async (t) => {
    const base = await temporaryFolder(t)
    const commit = await openEvents(t, { base, sink: { compression: 'none', roll: rollWith({ maxBytes: 20_000 }) } })
    const chunks = Array.from({ length: 10 }, (_, i) => ({ bytes: lines(...events(i * 200, i * 200 + 200)) }))
    await stream({ commit, chunks })
    const sizes = commit.totals().objects.map(({ bytes }) => bytes)
    const chunk = chunks[0].bytes.length
    assert.equal(sizes.length, commit.totals().epochs)
    assert.ok(sizes.length > 1)
    for (const size of sizes.slice(0, -1)) assert.ok(size >= 20_000 && size < 20_000 + 2 * chunk, `${size}`)
    assert.equal((await readIds(join(base, 'out'))).length, 2000)
  })

  it('counts compressed bytes', async (t) => {
    const base = await temporaryFolder(t)
    const commit = await openEvents(t, { base, sink: { roll: rollWith({ maxBytes: 20_000 }) } })
    const chunks = Array.from({ length: 20 }, (_, i) => ({ bytes: lines(...events(i * 500, i * 500 + 500)) }))
    await stream({ commit, chunks })
    const { objects } = commit.totals()
    const plain = chunks.reduce((sum, { bytes }) => sum + bytes.length, 0)
    assert.ok(objects.length < plain / 20_000 / 2, `${objects.length} objects`)
    assert.equal((await readIds(join(base, 'out'))).length, 10_000)
  })

  it('ends when it has reached its records', async (t) => {
    const base = await temporaryFolder(t)
    const commit = await openEvents(t, { base, sink: { roll: rollWith({ maxRecords: 250 }) } })
    await stream({
      commit,
      chunks: Array.from({ length: 9 }, (_, i) => ({ bytes: lines(...events(i * 100, i * 100 + 100)) })),
    })
    assert.deepEqual(
      commit.totals().objects.map(({ records }) => records),
      [300, 300, 300],
    )
  })

  it('ends by age when no batch arrives', async (t) => {
    const base = await temporaryFolder(t)
    const commit = await openEvents(t, { base, sink: { roll: rollWith({ maxAge: 20 }) } })
    async function* chunks() {
      yield { bytes: lines({ id: 1 }), position: 1 }
      while (commit.position() === undefined) await new Promise((resolve) => setTimeout(resolve, 5))
      assert.equal(commit.totals().written, 1)
      yield { bytes: lines({ id: 2 }), position: 2 }
    }
    await stream({ commit, chunks: chunks() })
    assert.equal(commit.totals().epochs, 2)
    assert.deepEqual(await readIds(join(base, 'out')), [1, 2])
  })

  it('does not end between the chunks of a split batch', async (t) => {
    const base = await temporaryFolder(t)
    const commit = await openEvents(t, { base, sink: { roll: rollWith({ maxRecords: 1, maxAge: 1 }) } })
    const line = JSON.stringify({ text: 'x'.repeat(1000) })
    const bytes = Buffer.from(`${line}\n`.repeat(5000))
    let batches = 0
    const stage = (batch: Batch) => {
      batches++
      return batch
    }
    await stream({ commit, chunks: [{ bytes, position: 1 }], stage })
    assert.ok(batches > 1)
    assert.deepEqual(
      commit.totals().objects.map(({ records }) => records),
      [5000],
    )
  })
})

describe('key partitions', () => {
  it('have one object each, by event time and value', async (t) => {
    const base = await temporaryFolder(t)
    const paths = new Paths()
    const key = 'dt={record.timestamp:yyyy-MM-dd}/hour={record.timestamp:HH}/{record.service}'
    const commit = await openEvents(t, { base, paths, sink: { key } })
    const records: JsonObject[] = [
      { id: 1, timestamp: '2024-03-04T18:01:26Z', service: 'sso' },
      { id: 2, timestamp: '2024-03-04T23:59:59.999+01:00', service: 'sso' },
      { id: 3, timestamp: '2024-03-05T00:30:00+01:00', service: 'ldap' },
      { id: 4, timestamp: 'yesterday', service: 'sso' },
      { id: 5, service: { name: 'sso' } },
      { id: 6, timestamp: '2024-03-04T18:59:59Z', service: 'sso' },
      { id: 7, timestamp: '2024-03-04T18:59:59Z', service: '../../etc' },
    ]
    await stream({ commit, paths, chunks: [{ bytes: lines(...records) }] })
    const found = new Map<string, unknown[]>()
    for (const [name, text] of await readObjects(join(base, 'out'))) {
      found.set(
        name.slice(0, name.lastIndexOf('/')),
        text
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line).id),
      )
    }
    assert.deepEqual(Object.fromEntries(found), {
      'dt=2024-03-04/hour=18/sso': [1, 6],
      'dt=2024-03-04/hour=22/sso': [2],
      'dt=2024-03-04/hour=23/ldap': [3],
      'dt=unknown/hour=unknown/sso': [4],
      'dt=unknown/hour=unknown/unknown': [5],
      'dt=2024-03-04/hour=18/..%2F..%2Fetc': [7],
    })
  })

  it('are limited; further ones share an object with __other', async (t) => {
    const base = await temporaryFolder(t)
    const paths = new Paths()
    const sink = { key: 'a/{record.id}', roll: rollWith({ maxPartitions: 4 }) }
    const commit = await openEvents(t, { base, paths, sink })
    await stream({ commit, paths, chunks: [{ bytes: lines(...events(0, 10)) }, { bytes: lines(...events(0, 10)) }] })
    const objects = commit.totals().objects.map(({ key, records }) => [key.slice(0, key.lastIndexOf('/')), records])
    assert.deepEqual(objects, [
      ['a/0', 2],
      ['a/1', 2],
      ['a/2', 2],
      ['a/__other', 14],
    ])
  })

  it('share the object with __other, too, if their keys are too long for the store', async (t) => {
    const base = await temporaryFolder(t)
    const paths = new Paths()
    const key = Array.from({ length: 12 }, () => '{record.name}').join('/')
    const commit = await openEvents(t, { base, paths, sink: { key } })
    const names = ['short', 'l'.repeat(99), 'short']
    await stream({ commit, paths, chunks: [{ bytes: lines(...names.map((name) => ({ name }))) }] })
    const objects = commit.totals().objects.map((object) => [object.key.split('/')[0], object.records])
    assert.deepEqual(objects, [
      ['short', 2],
      ['__other', 1],
    ])
    assert.equal((await readRecords(join(base, 'out'))).length, 3)
  })

  it('are refused if even the shared key is too long, and nothing is lost', async (t) => {
    const base = await temporaryFolder(t)
    const paths = new Paths()
    const commit = await openEvents(t, { base, paths, sink: { key: 'long/'.repeat(250).slice(0, -1) } })
    await assert.rejects(stream({ commit, paths, chunks: [{ bytes: lines(...events(0, 10)) }] }), {
      code: 'SINK_REFUSED',
      message: /keys of more than 1024 bytes.*shorten `key`/,
    })
    await commit.close()
    const again = await openEvents(t, { base, paths })
    await stream({ commit: again, paths, chunks: [{ bytes: lines(...events(0, 10)) }] })
    assert.equal((await readRecords(join(base, 'out'))).length, 10)
  })

  it('share one memory budget', async (t) => {
    const base = await temporaryFolder(t)
    const paths = new Paths()
    const commit = await openEvents(t, { base, paths, bufferBytes: 5000, sink: { key: '{record.id}' } })
    const chunks = Array.from({ length: 20 }, () => ({ bytes: lines(...events(0, 50)) }))
    await stream({ commit, paths, chunks })
    const { objects } = commit.totals()
    assert.deepEqual([objects.length, objects.every(({ records }) => records === 20)], [50, true])
    const records = await readRecords(join(base, 'out'))
    assert.equal(records.length, 1000)
  })
})

describe('rejects', () => {
  const bad = Buffer.from('{"id":1,"secret":"x"}\n{"id":\n{"id":2}\n')

  it('go to the local dead-letter queue', async (t) => {
    const base = await temporaryFolder(t)
    const commit = await openEvents(t, { base })
    await stream({
      commit,
      chunks: [{ bytes: bad, origin: { name: 'a.ndjson', line: 5 } }],
      stage: (batch) => {
        batch.reject(0, 'NO_OWNER', 'owner', 'owner is empty')
        return batch
      },
    })
    const [rejected, unparsed] = await readRecords(join(base, 'state', 'events', 'rejects'))
    const faults = [rejected, unparsed].toSorted((a, b) => Number(a['line']) - Number(b['line']))
    assert.deepEqual(faults[0], {
      id: '1-1',
      code: 'NO_OWNER',
      stage: 'owner',
      detail: 'owner is empty',
      origin: 'a.ndjson',
      line: 5,
      length: 21,
      record: { id: 1, secret: 'x' },
    })
    assert.deepEqual(faults[1], {
      id: '1-0',
      code: 'INVALID_JSON',
      stage: 'source',
      origin: 'a.ndjson',
      line: 6,
      length: 6,
      digest: keyedDigestOf('{"id":', commit.hashKey),
    })
    assert.deepEqual({ ...commit.totals().rejects }, { NO_OWNER: 1, INVALID_JSON: 1 })
    assert.deepEqual(await readIds(join(base, 'out')), [2])
  })

  it('are copied to their own sink in the same epoch, with the edits of the pipeline', async (t) => {
    const base = await temporaryFolder(t)
    const paths = new Paths()
    const secret = paths.add('secret')
    const rejects = await fileTarget(join(base, 'bad'), { key: 'rejects/{record.id}', compression: 'none' })
    const commit = await openEvents(t, { base, paths, rejects: { ...rejects, stage: 'rejects' } })
    const stage = (batch: Batch) => {
      batch.edit(batch.hit(0, secret), batch.token(Buffer.from('"[redacted]"')))
      batch.reject(0, 'NO_OWNER', 'owner')
      return batch
    }
    await stream({ commit, paths, chunks: [{ bytes: bad }], stage })
    const objects = await readObjects(join(base, 'bad'))
    const names = [...objects.keys()].map((name) =>
      name.replace(/[0-9a-f]{8}-0/, 'G-0').replace(/-[0-9a-f]{16}\./, '-H.'),
    )
    assert.deepEqual(names, [
      'rejects/1/events-G-00000001-002-H.ndjson',
      'rejects/unknown/events-G-00000001-001-H.ndjson',
    ])
    assert.ok([...objects.values()].join('').includes('"record":{"id":1,"secret":"[redacted]"}}\n'))
    assert.equal(commit.totals().objects.length, 1)
  })
})

describe('a compression', () => {
  for (const compression of ['none', 'gzip', 'zstd'] as const) {
    const skip = compression === 'zstd' && !('createZstdCompress' in zlib) && 'this Node.js has no zstd'
    it(`with ${compression} restores the written bytes, also of several parts`, { skip }, async (t) => {
      const base = await temporaryFolder(t)
      const paths = new Paths()
      const sink = { compression, key: '{record.odd}' }
      const commit = await openEvents(t, { base, paths, sink, bufferBytes: 10_000 })
      const chunks = Array.from({ length: 40 }, (_, i) => {
        const records = events(i * 100, i * 100 + 100).map((event) => ({ ...event, odd: Number(event['id']) % 3 }))
        return { bytes: lines(...records) }
      })
      await stream({ commit, paths, chunks })
      const ids = await readIds(join(base, 'out'))
      assert.deepEqual(
        ids.map(Number).toSorted((a, b) => a - b),
        Array.from({ length: 4000 }, (_, id) => id),
      )
      assert.equal(commit.totals().objects.length, 3)
    })

    it(`with ${compression} keeps large batches intact when their memory is reused`, { skip }, async (t) => {
      const base = await temporaryFolder(t)
      const paths = new Paths()
      const commit = await openEvents(t, { base, paths, sink: { compression, key: '{record.half}' } })
      const expected = ['', '']
      const chunks = Array.from({ length: 24 }, (_, i) => {
        const half = i % 3 === 0 ? 0 : 1
        const fill = String.fromCharCode(97 + i).repeat(1000 + i)
        const bytes = lines(...events(i * 500, i * 500 + 500).map((event) => ({ ...event, half: `${half}`, fill })))
        expected[half] += bytes.toString()
        return { bytes }
      })
      await stream({ commit, paths, chunks })
      const objects = await readObjects(join(base, 'out'))
      assert.deepEqual([...objects.values()].map(digestOf), expected.map(digestOf))
    })
  }
})

/** Not a plain hash: a short line could be guessed from it. */
function keyedDigestOf(line: string, key: Buffer): string {
  const digest = createHash('sha256').update(line).digest('hex')
  return createHmac('sha256', key).update(`reject ${digest}`).digest('hex')
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
