import assert from 'node:assert/strict'
import { rename } from 'node:fs/promises'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import { openWorkspace } from '../support/command.ts'
import type { Workspace } from '../support/command.ts'
import { recordsIn } from './support.ts'

const FILES = 3
const PER_FILE = 3000
const DAMAGED = 1

const STRICT = ['backfill', 'p', 'in', '--workers', '2', '--no-keep-going']
const BEGIN = [...STRICT, '--shard-size', '1B']

function linesOf(file: number): string {
  return Array.from({ length: PER_FILE }, (_, line) => lineOf(file * PER_FILE + line)).join('')
}

function lineOf(id: number): string {
  return `${JSON.stringify({ id, pad: Math.sin(id) })}\n`
}

const WHOLE = gzipSync(linesOf(DAMAGED))

/** Without a dedup, so that nothing hides a record that is written twice. */
async function openJob(t: TestContext, damaged: Buffer): Promise<Workspace> {
  const workspace = await openWorkspace(t)
  await workspace.write(
    'pipelines/p.yaml',
    'source: { type: file, path: none }\nsink: { type: file, path: out, key: all }\n',
  )
  for (let file = 0; file < FILES; file++)
    await workspace.write(`in/${file}.ndjson.gz`, file === DAMAGED ? damaged : gzipSync(linesOf(file)))
  return workspace
}

async function checkAllWritten(workspace: Workspace): Promise<void> {
  const records = await recordsIn(workspace.path('out'))
  assert.equal(records.length, FILES * PER_FILE)
  assert.equal(new Set(records).size, FILES * PER_FILE)
  const { read } = await workspace.report(STRICT)
  assert.equal(read, 0, 'a later backfill reads nothing again')
}

const broken = Buffer.from(WHOLE)
broken.fill(0, WHOLE.length / 2, WHOLE.length / 2 + 100)

const damages: [string, Buffer][] = [
  ['cut short', WHOLE.subarray(0, WHOLE.length / 2)],
  ['broken in its middle', broken],
]

describe('with --no-keep-going, a file that is damaged fails its shard, and the same command reads it', () => {
  for (const [how, damaged] of damages) {
    test(`once it is repaired: ${how}`, async (t) => {
      const workspace = await openJob(t, damaged)
      const { error, shards, written } = await workspace.report(BEGIN, { code: 3 })
      assert.equal(error?.code, 'INPUT_CORRUPT')
      assert.deepEqual(
        shards?.failed.map(({ inputs }) => inputs),
        [[`in/${DAMAGED}.ndjson.gz`]],
      )
      assert.equal(written, PER_FILE * (shards?.committed ?? 0))
      const again = await workspace.sluice(STRICT)
      assert.match(again.stderr, /INPUT_CORRUPT: "in\/1\.ndjson\.gz" is damaged/)
      await workspace.write(`in/${DAMAGED}.ndjson.gz`, WHOLE)
      await workspace.report(STRICT)
      await checkAllWritten(workspace)
    })

    test(`once a complete copy has taken its place: ${how}`, async (t) => {
      const workspace = await openJob(t, damaged)
      await workspace.report(BEGIN, { code: 3 })
      await workspace.write('complete', WHOLE)
      await rename(workspace.path('complete'), workspace.path(`in/${DAMAGED}.ndjson.gz`))
      await workspace.report(STRICT)
      await checkAllWritten(workspace)
    })
  }

  test('or with --keep-going, its good part now and the rest later', async (t) => {
    const workspace = await openJob(t, WHOLE.subarray(0, WHOLE.length / 2))
    await workspace.report(BEGIN, { code: 3 })
    const { code, stderr } = await workspace.sluice(['runs', 'retry', 'p', '--keep-going'])
    assert.equal(code, 3, stderr)
    assert.match(stderr, /INPUTS_DAMAGED: 1 input could not be read completely/)
    await workspace.write(`in/${DAMAGED}.ndjson.gz`, WHOLE)
    const { read } = await workspace.report(STRICT)
    assert.ok(read > 0 && read < PER_FILE, `${read} read`)
    await checkAllWritten(workspace)
  })
})

test('a file with other content is read as it is now by the way out that the error names', async (t) => {
  const workspace = await openJob(t, WHOLE.subarray(0, WHOLE.length / 2))
  await workspace.report(BEGIN, { code: 3 })
  await workspace.write(`in/${DAMAGED}.ndjson.gz`, gzipSync(linesOf(DAMAGED), { level: 1 }))
  const refused = await workspace.sluice(STRICT)
  assert.equal(refused.code, 3, refused.stderr)
  assert.match(
    refused.stderr,
    /has changed since the backfill was planned: it has other content\n.*runs retry PIPELINE --keep-going/,
  )
  const { code, stderr } = await workspace.sluice(['runs', 'retry', 'p', '--keep-going'])
  assert.equal(code, 3, stderr)
  await workspace.report(STRICT)
  await checkAllWritten(workspace)
})
