import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { appendFile, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { TransformContext } from '../../../src/component.ts'
import { Paths } from '../../../src/record/paths/path.ts'
import lookup from '../../../src/transforms/lookup.ts'
import { writeMmdb } from '../../support/mmdb.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { openRecords, outcomeOf } from '../stage.ts'
import { noteTo } from '../../support/notes.ts'

interface Opened {
  readonly file: string
  /** Owners of the accounts of one batch. */
  readonly ask: (...accounts: readonly string[]) => Promise<unknown[]>
  readonly log: readonly string[]
  readonly counts: () => unknown
}

const FIRST = 'id,name\na,one\nb,two\n'

async function open(t: TestContext, more: object = {}, context: Partial<TransformContext> = {}): Promise<Opened> {
  const file = join(await temporaryFolder(t), 't.csv')
  await writeFile(file, FIRST)
  const paths = new Paths()
  const log: string[] = []
  const config = {
    file,
    key: 'id',
    by: 'id',
    set: [{ path: 'owner', from: 'name', ifAbsent: false }],
    missing: 'skip' as const,
    ignoreCase: false,
    maxSize: 1 << 20,
    reload: 0,
    ...more,
  }
  const transform = await lookup.create(config, {
    pipeline: 'p',
    stage: 'lookup',
    folder: '/',
    paths,
    path: (text) => paths.add(text),
    note: noteTo(({ message, facts }) => log.push(`${message} ${JSON.stringify(facts)}`)),
    ...context,
  })
  assert.ok(typeof transform === 'object' && 'batch' in transform)
  return {
    file,
    log,
    counts: () => transform.counts?.(),
    ask: async (...accounts) => {
      const [batch] = openRecords(
        accounts.map((id) => ({ id })),
        paths,
      )
      const { lines } = outcomeOf((await transform.batch(batch)) ?? [batch])
      return lines.map((line) => JSON.parse(line).owner)
    },
  }
}

/** As a careful program replaces a file. */
async function replace(file: string, content: string): Promise<void> {
  await writeFile(`${file}.new`, content)
  await rename(`${file}.new`, file)
}

test('a replaced table is read when it was the same at two looks', async (t) => {
  const { file, ask, log, counts } = await open(t)
  assert.deepEqual(await ask('a', 'b', 'c'), ['one', 'two', undefined])
  await replace(file, 'id,name\na,first\nc,three\n')
  assert.deepEqual(await ask('a'), ['one'])
  assert.deepEqual(await ask('a', 'b', 'c'), ['first', undefined, 'three'])
  assert.deepEqual(log, [
    'the table has changed and was read again {"stage":"lookup","table":"t.csv","content":"2 rows"}',
  ])
  assert.deepEqual(counts(), { found: 5, 'not found': 2, 'not an address': 0, 'without a key': 0 })
})

test('a table that is written bit by bit is not read before it is complete', async (t) => {
  const { file, ask, log } = await open(t)
  await writeFile(file, 'id,name\n')
  assert.deepEqual(await ask('a'), ['one'])
  await appendFile(file, 'a,fi')
  assert.deepEqual(await ask('a'), ['one'])
  await appendFile(file, 'rst\n')
  assert.deepEqual(await ask('a'), ['one'])
  assert.deepEqual(await ask('a'), ['first'])
  assert.equal(log.length, 1)
})

test('a changed table that cannot be used leaves the one from before, and is logged once', async (t) => {
  const { file, ask, log } = await open(t)
  await replace(file, 'id,name\na,1\na,2\n')
  for (let look = 0; look < 4; look++) assert.deepEqual(await ask('a'), ['one'])
  assert.match(
    log.join('\n'),
    /^the table has changed and cannot be used; the one from before stays .*"has the same key in line 2 and in line 3; [^\n]*$/,
  )
  await rm(file)
  for (let look = 0; look < 4; look++) assert.deepEqual(await ask('a'), ['one'])
  assert.match(log.slice(1).join('\n'), /^the table has changed and cannot be used[^\n]*"cannot be read: ENOENT"\}$/)
  await replace(file, 'id,name\na,again\n')
  await ask('a')
  assert.deepEqual(await ask('a'), ['again'])
  assert.equal(log.length, 3)
})

test('a table with the same content again is not another table', async (t) => {
  const { file, ask, log } = await open(t)
  await replace(file, FIRST)
  await utimes(file, 1, 1)
  for (let look = 0; look < 3; look++) assert.deepEqual(await ask('a'), ['one'])
  assert.deepEqual(log, [])
})

test('the table of a shard stays, and must be that of the coordinator', async (t) => {
  const own = await open(t)
  const known = (digest: string) => open(t, { file: own.file }, { files: new Map([[own.file, digest]]) })
  await assert.rejects(known('0'.repeat(64)), { code: 'CONFIG_INVALID', message: /^the table t\.csv has changed/ })
  const { ask, log } = await known(createHash('sha256').update(FIRST).digest('hex'))
  const { file } = own
  await replace(file, 'id,name\na,first\n')
  for (let look = 0; look < 3; look++) assert.deepEqual(await ask('a'), ['one'])
  assert.deepEqual(log, [])
})

test('a MaxMind file is read again like any other', async (t) => {
  const folder = await temporaryFolder(t)
  const file = join(folder, 'geo.mmdb')
  await writeFile(file, writeMmdb([['1.0.0.0/8', { a: 'one' }]]))
  const set = [{ path: 'owner', from: 'a', ifAbsent: false }]
  const { ask, log } = await open(t, { file, by: undefined, set })
  assert.deepEqual(await ask('1.1.1.1'), ['one'])
  await writeFile(file, writeMmdb([['1.0.0.0/8', { a: 'two' }]]))
  await ask('1.1.1.1')
  assert.deepEqual(await ask('1.1.1.1'), ['two'])
  assert.match(log[0], new RegExp(`"table":"${basename(file)}","content":"Test of 2023-11-14"`))
})
