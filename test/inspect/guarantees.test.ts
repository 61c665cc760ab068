import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { startS3Server } from '../servers/s3.ts'
import { s3Environment } from '../support/command.ts'
import { openProject } from '../support/cli-project.ts'
import { REPOSITORY } from '../support/paths.ts'

/**
 * Pipelines, each with the expected output. To update: run `UPDATE=1 node --test` on this file and
 * review the diff.
 */
const folder = join(REPOSITORY, 'test/inspect/guarantees')

const parts = {
  'stream.ts': `import { PassThrough } from 'node:stream'
export default { kind: 'transform', type: '', summary: 'A stream.', fields: {}, examples: [], create: () => ({ duplex: () => new PassThrough({ objectMode: true }) }) }
`,
  'plain.ts': 'export default (record: unknown) => record\n',
}

test('check --guarantees shows the guarantees of each pipeline and their boundaries', async (t) => {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.yaml')).toSorted()
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))
  const pipelines = names.map((name, at) => [`pipelines/${name}`, texts[at]] as const)
  const workspace = await openProject(t, { ...parts, ...Object.fromEntries(pipelines) })

  const { code, stdout, stderr } = await workspace.sluice(['check', '--guarantees'])

  assert.equal(code, 0, stderr)
  const sections = stdout.split(/^(?=pipelines\/)/m)
  assert.equal(sections.length, names.length)
  for (const [at, name] of names.entries()) {
    const golden = join(folder, name.replace('.yaml', '.txt'))
    if (process.env['UPDATE']) await writeFile(golden, sections[at])
    assert.equal(sections[at], await readFile(golden, 'utf8'))
  }
})

test('check --guarantees reads from the state whether the store honours If-None-Match', async (t) => {
  for (const ignoreConditions of [false, true]) {
    const server = await startS3Server({ buckets: ['audit'], ignoreConditions })
    t.after(() => server.close())
    const workspace = await openProject(t, {
      'in.ndjson': '{"id":1}\n',
      'pipelines/p.yaml':
        'source: { type: file, path: in.ndjson }\nsink: { type: s3, bucket: audit, forcePathStyle: true }\n',
    })
    await workspace.report(['run', 'p'], { env: s3Environment(server) })
    const { stdout } = await workspace.sluice(['check', 'p', '--guarantees'])
    assert.equal(
      stdout.includes('never overwritten (tested: the store honours If-None-Match)'),
      !ignoreConditions,
      stdout,
    )
    assert.equal(stdout.includes(`bucket audit at ${server.endpoint} ignores If-None-Match`), ignoreConditions)
  }
})

test('check --guarantees --json prints them for each pipeline', async (t) => {
  const workspace = await openProject(t, {
    'pipelines/p.yaml': await readFile(join(folder, 'pipe-to-pipe.yaml'), 'utf8'),
  })
  const { code, stdout } = await workspace.sluice(['check', '--guarantees', '--json'])
  assert.equal(code, 0)
  const { guarantees }: { guarantees: { p: { promises: string[]; borders: { what: string; moves: string }[] } } } =
    JSON.parse(stdout)
  assert.ok(guarantees.p.promises.length > 0)
  assert.ok(guarantees.p.borders.some(({ what }) => what.startsWith('The sink stdout keeps no state')))
})
