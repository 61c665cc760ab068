import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { existsSync } from 'node:fs'
import { link, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { openDatabase } from '../../../src/delivery/state/database.ts'
import { State } from '../../../src/delivery/state/state.ts'
import { openWorkspace } from '../../support/command.ts'

const PIPELINE = `source: { type: file, path: 'in/*.ndjson' }
transforms: [{ type: validate, schema: s.json }, { type: dedup, key: [id, time], time: time }]
sink: { type: file, path: out, key: all, compression: none, roll: { maxRecords: 1 } }
`

const TIME = '2026-01-01T00:00:00Z'

/** A pipeline that has committed each of its files by itself. Each had one record that is rejected. */
async function openCollected(t: TestContext, files: number) {
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/p.yaml', PIPELINE)
  await workspace.write('pipelines/s.json', '{"required":["name"]}')
  const add = (number: number): Promise<string> =>
    workspace.write(
      `in/${number}.ndjson`,
      `{"id":"bad ${number}","time":"${TIME}"}\n{"id":"${number}","name":"good","time":"${TIME}"}\n`,
    )
  for (let number = 10; number < 10 + files; number++) await add(number)
  await workspace.report(['run', 'p'])
  const sluice = async (args: readonly string[], code = 0) => {
    const ended = await workspace.sluice(args)
    assert.equal(ended.code, code, ended.stderr + ended.stdout)
    return ended
  }
  return { workspace, sluice, add, folder: workspace.path('.sluice/p') }
}

describe('sluice state compact', () => {
  test('merges files of rejects without those that were replayed, and keeps everything else', async (t) => {
    const { workspace, sluice, folder } = await openCollected(t, 12)
    const lines = (await sluice(['rejects', 'show', 'p', '--json'])).stdout.split('\n').filter(Boolean)
    const corrected = lines[4].replace('{"id":"bad', '{"name":"x","id":"bad')
    await workspace.write('c.ndjson', corrected)
    // A file of one reject goes with it: this one has company in its epoch.
    await workspace.write(
      'in/30.ndjson',
      '{"id":"bad a","time":"2026-01-01T00:00:00Z"}\n{"id":"bad b","time":"2026-01-01T00:00:00Z"}\n',
    )
    await workspace.report(['run', 'p'])
    const two = (await sluice(['rejects', 'show', 'p', '--json'])).stdout.split('\n').filter(Boolean).slice(-1)
    await workspace.write('c.ndjson', `${corrected}\n${two[0].replace('{"id":"bad', '{"name":"x","id":"bad')}\n`)
    await workspace.report(['rejects', 'replay', 'p', '--file', 'c.ndjson'])
    const shown = (await sluice(['rejects', 'show', 'p', '--json'])).stdout
    const before = JSON.parse((await sluice(['state', 'show', 'p', '--json'])).stdout)

    const { stdout } = await sluice(['state', 'compact', 'p'])
    assert.match(stdout, /^ {2}rejects {5}\S+ k?B in 12 files -> \S+ k?B in 1 file$/m)
    assert.equal((await sluice(['rejects', 'show', 'p', '--json'])).stdout, shown)
    const { changes: _changes, ...after } = JSON.parse((await sluice(['state', 'show', 'p', '--json'])).stdout)
    const { changes: _before, ...wanted } = before
    assert.deepEqual(after, wanted)
    const [file] = await readdir(`${folder}/rejects`)
    assert.ok(!(await readFile(`${folder}/rejects/${file}`, 'utf8')).includes('bad b'))
    await sluice(['verify', 'p'])
    await sluice(['state', 'compact', 'p'])
    assert.deepEqual(await readdir(`${folder}/rejects`), [file])

    await workspace.write('pipelines/s.json', '{}')
    assert.equal((await workspace.report(['rejects', 'replay', 'p'])).written, 12)
    assert.equal((await workspace.report(['run', 'p'])).read, 0)
    await sluice(['verify', 'p'])
  })

  test('gives free pages of the database back', async (t) => {
    const { sluice, folder } = await openCollected(t, 1)
    const db = await openDatabase(`${folder}/state`)
    db.transactionSync(() => db.putSync('ballast', 'x'.repeat(4 << 20)))
    db.transactionSync(() => db.removeSync('ballast'))
    await db.close()
    const before = (await stat(`${folder}/state/data.mdb`)).size
    const sizes = JSON.parse((await sluice(['state', 'compact', 'p', '--json'])).stdout)
    assert.ok(before > 4 << 20 && sizes.before.state.bytes >= before, JSON.stringify(sizes))
    assert.ok(sizes.after.state.bytes < 500_000, JSON.stringify(sizes))
    assert.deepEqual(await readdir(`${folder}/state`), ['data.mdb'])
    assert.equal((await stat(`${folder}/state/data.mdb`)).mode & 0o777, 0o600)
    await sluice(['run', 'p'])
    await sluice(['verify', 'p'])
  })

  test('forgets old objects only with --keep, and verify says what it no longer reads', async (t) => {
    const { workspace, sluice, add } = await openCollected(t, 3)
    await sluice(['state', 'compact', 'p', '--keep', '1h'])
    assert.doesNotMatch((await sluice(['verify', 'p'])).stdout, /forgotten/)
    const shown = JSON.parse((await sluice(['state', 'show', 'p', '--json'])).stdout)
    const { stdout } = await sluice(['state', 'compact', 'p', '--keep', '0s'])
    assert.match(stdout, /history {5}3 published objects forgotten/)
    const { changes, ...rest } = JSON.parse((await sluice(['state', 'show', 'p', '--json'])).stdout)
    assert.equal(changes[0].action, 'compact')
    assert.deepEqual({ ...rest, changes: [] }, shown)
    await add(40)
    await workspace.report(['run', 'p'])
    const verified = await sluice(['verify', 'p'])
    assert.match(verified.stdout, /note {8}3 older objects with 3 records not checked/)
    assert.match(verified.stdout, /objects {5}1 match the commit history/)
    await workspace.write(`out/all/${await nameOfForeign(workspace.path('out/all'))}`, '{}\n')
    assert.match((await sluice(['verify', 'p'], 6)).stdout, /foreign/)

    // The count moves with the state.
    await sluice(['state', 'export', 'p', 'p.export', '--yes'])
    await sluice(['state', 'import', 'p', 'p.export', '--state', 'there'])
    assert.match((await sluice(['verify', 'p', '--state', 'there'])).stdout, /3 older objects with 3 records/)
    assert.match(
      (await sluice(['state', 'compact', 'p', '--keep', 'soon'], 2)).stderr,
      /USAGE: --keep "soon" is not a duration/,
    )
  })

  test('removes dedup keys that have expired, sockets of dead owners, and files that belong to nothing', async (t) => {
    const { workspace, sluice, folder } = await openCollected(t, 1)
    const socket = await leaveSocket(folder)
    await mkdir(`${folder}/state/new-abc`)
    for (const name of ['outbox/left', 'rejects/left', 'dedup/d1']) await writeFile(`${folder}/${name}`, 'x')
    const day = `d${Math.floor(Date.parse('2024-01-01') / 86_400_000)}`
    await writeFile(`${folder}/dedup/${day}`, Buffer.alloc(16))
    const db = await openDatabase(`${folder}/state`)
    db.transactionSync(() => {
      db.putSync(['dedupBucket', day], { name: day, length: 16, crc: 0 })
      db.putSync(['partition', 'x'], { partition: 'api:', position: 1, lowWatermark: Date.parse(TIME) })
    })
    await db.close()
    await sluice(['state', 'compact', 'p'])
    assert.ok(existsSync(`${folder}/dedup/${day}`))
    await workspace.write('pipelines/p.yaml', PIPELINE.replace('time: time', 'time: time, within: 30d'))
    await sluice(['state', 'compact', 'p'])
    assert.deepEqual(await readdir(`${folder}/dedup`), [`d${Date.parse(TIME) / 86_400_000}`, 'p'])
    assert.ok(!existsSync(socket))
    assert.deepEqual(await readdir(`${folder}/outbox`), [])
    assert.deepEqual(await readdir(`${folder}/state`), ['data.mdb'])
    await sluice(['run', 'p'])
  })

  test('is refused while a process owns the state, and a process that opened the old file does not use it', async (t) => {
    const { sluice, folder } = await openCollected(t, 1)
    const state = await State.openExisting(folder)
    assert.match((await sluice(['state', 'compact', 'p'], 6)).stderr, /STATE_IN_USE/)
    await state.close()
    const early = await openDatabase(`${folder}/state`)
    assert.equal(early.isCurrent?.(), true)
    await sluice(['state', 'compact', 'p'])
    assert.equal(early.isCurrent?.(), false)
    await early.close()
  })
})

/** A name of this state's next epochs, which no object has. */
async function nameOfForeign(folder: string): Promise<string> {
  const [name] = (await readdir(folder)).toSorted().toReversed()
  return name.replace(/-(\d{8})-/, '-00000099-')
}

/** Leaves the socket of a process that has died: a name without a listener. */
async function leaveSocket(folder: string): Promise<string> {
  const [bound, left] = [`${folder}/owner-0.copy`, `${folder}/owner-0123456789abcdef.sock`]
  const server = createServer().listen(bound)
  await once(server, 'listening')
  await link(bound, left)
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return left
}
