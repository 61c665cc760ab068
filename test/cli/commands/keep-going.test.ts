import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, readdir, readFile, rename, symlink, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { openProject } from '../../support/cli-project.ts'
import type { Report } from '../../../src/observe/report.ts'
import type { Workspace } from '../../support/command.ts'

const PIPELINE = `source: { type: file, path: absent }
sink: { type: file, path: out, key: all, compression: none, roll: { maxAge: 100ms } }
`

/** Lines that do not compress well, so that a cut is in the middle of them. */
function lines(from: number, to: number): string {
  return range(from, to)
    .map((id) => `{"id":${id},"pad":"${randomBytes(60).toString('hex')}"}\n`)
    .join('')
}

async function openArchive(t: TestContext): Promise<Workspace> {
  return openProject(t, { 'pipelines/p.yaml': PIPELINE, 'a/0.ndjson': lines(0, 10), 'a/9.ndjson': lines(900, 910) })
}

async function writtenIds(workspace: Workspace): Promise<number[]> {
  const folder = workspace.path('out/all')
  const names = existsSync(folder) ? await readdir(folder) : []
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))
  const records = texts.flatMap((text) => text.trim().split('\n'))
  return records.map((line): number => JSON.parse(line).id).toSorted((a, b) => a - b)
}

const GOOD = [...range(0, 10), ...range(900, 910)]

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, at) => from + at)
}

describe('backfill of several files keeps going', () => {
  test('past every sort of damage, keeps the good part of each file, and lists them all with status 3', async (t) => {
    const workspace = await openArchive(t)
    const gzip = gzipSync(lines(100, 200))
    await workspace.write('a/1-cut.json.gz', gzip.subarray(0, gzip.length / 2))
    await workspace.write('a/2-garbage.json.gz', Buffer.concat([gzipSync(lines(200, 300)), Buffer.from('garbage')]))
    const brotli = brotliCompressSync(lines(300, 400))
    await workspace.write('a/3-cut.json.br', brotli.subarray(0, brotli.length / 2))
    await workspace.write('a/4-array.json', '[{"id":400},{"id":401} oops')
    await workspace.write('a/5-utf16.json', Buffer.from('\ufeff{"id":500}\n', 'utf16le'))
    await symlink('nowhere', workspace.path('a/6-gone.json'))
    await symlink('7-loop.json', workspace.path('a/7-loop.json'))

    const named = ['a-typo.json', 'a/6-gone.json', 'a/7-loop.json']
    const args = ['backfill', 'p', 'a', ...named, '--report', 'report.json']
    const { code, stderr } = await workspace.sluice(args)
    assert.equal(code, 3, stderr)
    assert.match(stderr, /^sluice: INPUTS_DAMAGED: 8 inputs could not be read completely; all others were read$/m)
    const { outcome, damaged = [] } = await readReport(workspace)
    assert.equal(outcome, 'incomplete')
    assert.deepEqual(damaged.map(({ input, code: why }) => `${input} ${why}`).toSorted(), [
      'a-typo.json FILE_NOT_FOUND',
      'a/1-cut.json.gz INPUT_CORRUPT',
      'a/2-garbage.json.gz INPUT_CORRUPT',
      'a/3-cut.json.br INPUT_CORRUPT',
      'a/4-array.json INPUT_CORRUPT',
      'a/5-utf16.json INPUT_CORRUPT',
      'a/6-gone.json FILE_NOT_FOUND',
      'a/7-loop.json FILE_NOT_FOUND',
    ])
    assert.match(
      stderr,
      /^ {4}a\/2-garbage\.json\.gz {2}read to line 100 +INPUT_CORRUPT: it is damaged near byte \d+$/m,
    )
    assert.match(stderr, /^ {4}a\/6-gone\.json {8}nothing read +FILE_NOT_FOUND: does not exist \(relative to .*\)$/m)
    assert.match(stderr, /skipped links that lead nowhere; .* count=2 files="a\/6-gone\.json, a\/7-loop\.json"/)

    const ids = await writtenIds(workspace)
    const kept = damaged.reduce((sum, { line = 0 }) => sum + line, 0)
    assert.ok(kept > 150, String(kept))
    assert.equal(ids.length, GOOD.length + kept)
    assert.deepEqual(
      ids.filter((id) => GOOD.includes(id)),
      GOOD,
    )

    const again = await workspace.sluice([...args, '--json'])
    assert.equal(again.code, 3, again.stderr)
    assert.deepEqual((await readReport(workspace)).damaged, damaged, 'a second run names the same files and places')
    assert.deepEqual(await writtenIds(workspace), ids, 'and writes no record twice')
  })

  for (const how of ['in place', 'by a rename'] as const) {
    test(`and reads only the rest of a file that is then replaced ${how}`, async (t) => {
      const workspace = await openArchive(t)
      const whole = gzipSync(lines(100, 300))
      await workspace.write('a/1.json.gz', whole.subarray(0, whole.length - 5000))
      await workspace.report(['backfill', 'p', 'a'], { code: 3 })
      await workspace.write(how === 'in place' ? 'a/1.json.gz' : 'new', whole)
      if (how === 'by a rename') await rename(workspace.path('new'), workspace.path('a/1.json.gz'))
      const report = await workspace.report(['backfill', 'p', 'a'])
      assert.equal(report.damaged, undefined)
      assert.deepEqual(await writtenIds(workspace), [...range(0, 10), ...range(100, 300), ...range(900, 910)])
    })
  }

  test('and --dry-run shows the plan before it fails on what is missing', async (t) => {
    const workspace = await openArchive(t)
    const { code, stdout, stderr } = await workspace.sluice(['backfill', 'p', 'typo', 'a', '--dry-run'])
    assert.equal(code, 3, stderr)
    assert.match(stdout, /would read 2\.\d kB from 2 inputs/)
    assert.match(stderr, /FILE_NOT_FOUND: "typo" does not exist/)
  })

  test('but ends at the first damaged file with --no-keep-going', async (t) => {
    const workspace = await openArchive(t)
    await workspace.write('a/1.json.gz', gzipSync(lines(100, 200)).subarray(0, 3000))
    const report = await workspace.report(['backfill', 'p', 'a', '--no-keep-going'], { code: 3 })
    assert.equal(report.outcome, 'failed')
    assert.equal(report.error?.code, 'INPUT_CORRUPT')
    const ids = await writtenIds(workspace)
    assert.ok(ids.includes(9) && !ids.includes(900))
  })

  test('and fails with the reason itself if there is only one file', async (t) => {
    const workspace = await openArchive(t)
    await workspace.write('1.json.gz', gzipSync(lines(100, 200)).subarray(0, 3000))
    const report = await workspace.report(['backfill', 'p', '1.json.gz'], { code: 3 })
    assert.equal(report.outcome, 'failed')
    assert.equal(report.error?.code, 'INPUT_CORRUPT')
  })

  test('past a folder that must not be read', { skip: process.getuid?.() === 0 && 'root may read all' }, async (t) => {
    const workspace = await openArchive(t)
    await workspace.write('a/secret/1.ndjson', lines(100, 110))
    await chmod(workspace.path('a/secret'), 0)
    for (const path of ['a', 'a/**/*.ndjson']) {
      const { damaged = [] } = await workspace.report(['backfill', 'p', path], { code: 3 })
      assert.deepEqual(
        damaged.map(({ input }) => input),
        ['a/secret'],
      )
    }
    await chmod(workspace.path('a/secret'), 0o700)
  })
})

test('run --follow --keep-going logs a damaged file once, and collects the others', { timeout: 60_000 }, async (t) => {
  const workspace = await openArchive(t)
  await workspace.write('a/1.json', '[{"id":100},null oops')
  const running = workspace.start([
    'run',
    'p',
    '--follow',
    '--keep-going',
    '--report',
    'report.json',
    '--set',
    'source.path=a',
  ])
  while ((await writtenIds(workspace)).length < 21) await sleep(20)
  await workspace.write('a/2.ndjson', lines(200, 210))
  while ((await writtenIds(workspace)).length < 31) await sleep(20)
  await unlink(workspace.path('a/1.json'))
  running.kill('SIGTERM')
  const { code, stderr } = await running.ended
  assert.equal(code, 130, stderr)
  assert.equal(stderr.match(/could not be read completely; continuing/g)?.length, 1, stderr)
  const { outcome, damaged } = await readReport(workspace)
  assert.equal(outcome, 'interrupted')
  assert.deepEqual(
    damaged?.map(({ input }) => input),
    ['a/1.json'],
  )
})

async function readReport(workspace: Workspace): Promise<Report> {
  const report: Report = JSON.parse(await readFile(workspace.path('report.json'), 'utf8'))
  return report
}
