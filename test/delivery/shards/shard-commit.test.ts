import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openShardCommit } from '../../../src/delivery/shards/open-shard-commit.ts'
import type { ShardCommit } from '../../../src/delivery/shards/shard-commit.ts'
import { SluiceError } from '../../../src/errors.ts'
import { Paths } from '../../../src/record/paths/path.ts'
import { fileTarget, openEvents } from '../support.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const damaged = new SluiceError('INPUT_CORRUPT', 'the input is damaged')

async function open(t: TestContext, base: string): Promise<ShardCommit> {
  const commit = await openShardCommit({
    folder: join(base, 'state', 'events'),
    pipeline: 'events',
    keys: {},
    paths: new Paths(),
    note: () => undefined,
    sinks: [await fileTarget(join(base, 'out'))],
    discard: () => Promise.resolve(),
  })
  t.after(() => commit.close())
  return commit
}

async function* plan(shards: number) {
  for (let number = 0; number < shards; number++) {
    const parts = [{ partition: `file:${number}`, input: String(number), bytes: 1, detail: null }]
    yield await Promise.resolve({ parts, bytes: 1 })
  }
}

test('a backfill is not at its end while there are shards that nobody has begun', async (t) => {
  const commit = await open(t, await temporaryFolder(t))
  await commit.begin('archives', () => plan(1))
  assert.equal(await commit.finish(), false)
  assert.equal(await commit.finish({ isInterrupted: true }), true)
  assert.ok(commit.run)
})

test('a shard that has failed is tried again by the next start only, and named', async (t) => {
  const base = await temporaryFolder(t)
  const commit = await open(t, base)
  await commit.begin('archives', () => plan(2))
  assert.equal((await commit.next())?.shard.number, 0)
  await commit.fail(0, damaged)
  assert.equal((await commit.next())?.shard.number, 1)
  await commit.fail(1, damaged)
  assert.equal(await commit.next(), undefined)
  assert.deepEqual(commit.counts().failed, [0, 1])
  assert.equal(await commit.finish(), true)
  await commit.close()
  const next = await open(t, base)
  await next.begin('archives', () => plan(0))
  assert.equal((await next.next())?.shard.number, 0)
})

test('an unfinished backfill refuses other sources and ordinary runs, until it is cancelled', async (t) => {
  const base = await temporaryFolder(t)
  const commit = await open(t, base)
  await commit.begin('archives', () => plan(1))
  await assert.rejects(
    commit.begin('others', () => plan(1)),
    { code: 'SHARDS_UNFINISHED' },
  )
  await commit.close()
  await assert.rejects(openEvents(t, { base }), { code: 'SHARDS_UNFINISHED', hint: /sluice runs cancel events/ })
  const again = await open(t, base)
  assert.deepEqual(await again.cancel(), { readAgain: 0 })
  await again.close()
  await openEvents(t, { base })
})
