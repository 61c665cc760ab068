/*
 * What a command loads decides what it costs to start. Nothing here is timed; the figures are in
 * bench/RESULTS.md.
 */
import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startS3Server } from '../servers/s3.ts'
import { openWorkspace, s3Environment } from '../support/command.ts'
import type { Workspace } from '../support/command.ts'
import { MAIN, REPOSITORY } from '../support/paths.ts'

const TRANSFORMS = `transforms:
  - { type: validate, schema: ../event.schema.json }
  - { type: redact, rules: [{ path: email, action: mask }] }
  - { type: dedup, key: id }
`
const PROJECT = {
  'in.ndjson': Array.from({ length: 100 }, (_, id) => `{"id":"${id}","email":"a@b"}\n`).join(''),
  'event.schema.json': '{ "type": "object", "required": ["id"], "properties": { "id": { "type": "string" } } }',
  'pipelines/file.yaml': `source: { type: file, path: in.ndjson }\n${TRANSFORMS}sink: { type: file, path: out }\n`,
  'pipelines/s3.yaml': `source: { type: file, path: in.ndjson }\n${TRANSFORMS}sink: { type: s3, bucket: audit, forcePathStyle: true }\n`,
  'pipelines/custom.yaml':
    'source: { type: file, path: in.ndjson }\ntransforms: [{ type: ../tag.js }]\nsink: { type: stdout }\n',
  'pipelines/typescript.yaml':
    'source: { type: file, path: in.ndjson }\ntransforms: [{ type: ../plain.ts }]\nsink: { type: stdout }\n',
  'plain.ts': 'export default (record: object): object => record\n',
  'tag.js': `import { defineTransform, SluiceError, Type } from 'sluice'
export default defineTransform({
  summary: 'Fails.',
  fields: { code: Type.String({ default: 'x', description: 'Code.' }) },
  create: () => { throw new SluiceError('SINK_REFUSED', 'of the same class') },
})
`,
}

describe('a command loads what it needs', { skip: MAIN.endsWith('.ts') && 'the sources are not bundled' }, () => {
  test('--version and list load neither a parser nor a component', async (t) => {
    for (const args of [['--version'], ['list'], ['list', '--json']]) {
      const files = await filesLoadedBy(t, args)
      assert.ok(files.length <= 8, files.join('\n'))
      assert.deepEqual(filesOf(/yargs|yaml|ajv|re2js|lmdb|smithy|aws|undici|typebox|jiti/, files), [])
    }
  })

  test('a run from file to file loads no SDK, no HTTP client, no ajv and no compiler', async (t) => {
    const files = await filesLoadedBy(t, ['run', 'file'])
    assert.ok(files.length <= 30, `${files.length}:\n${files.join('\n')}`)
    assert.deepEqual(filesOf(/ajv|smithy|aws|undici|typebox|jiti|string-width|picomatch|oauth|jose/, files), [])
  })

  test('check, describe and test of a pipeline for S3 do not load the SDK', async (t) => {
    const aws = { AWS_REGION: 'us-east-1' }
    for (const args of [
      ['check', 's3'],
      ['test', 's3'],
      ['describe', 's3'],
    ]) {
      assert.deepEqual(filesOf(/smithy|aws|undici/, await filesLoadedBy(t, args, aws)), [], args.join(' '))
    }
  })

  const strips = Reflect.get(process.features, 'typescript') === 'strip'
  const title = 'a run with a transform in TypeScript loads jiti only where Node.js cannot strip types'
  test(title, async (t) => {
    const files = await filesLoadedBy(t, ['run', 'typescript'])
    assert.equal(filesOf(/jiti/, files).length > 0, !strips)
  })

  test('a run to S3 loads the SDK', async (t) => {
    const server = await startS3Server({ buckets: ['audit'] })
    t.after(() => server.close())
    const files = await filesLoadedBy(t, ['run', 's3'], s3Environment(server))
    assert.notDeepEqual(filesOf(/smithy|aws/, files), [])
    assert.deepEqual(filesOf(/undici|jiti/, files), [])
  })
})

test('custom code, the command and the package share their modules', async (t) => {
  const workspace = await openProject(t)
  // The code of the error decides the exit status: the command knows its class.
  const { code, stderr } = await workspace.start(['run', 'custom']).ended
  assert.match(stderr, /^sluice: SINK_REFUSED: of the same class$/m)
  assert.equal(code, 4)
  const { defineTransform, SluiceError, Type } = await import('sluice')
  const { rehearse } = await import('sluice/testing')
  const fields = { size: Type.Integer({ description: 'Size.' }) }
  const declaration = defineTransform({ summary: 'Fails.', fields, create: () => (record) => record })
  await assert.rejects(rehearse(declaration, [], { config: { size: 'x' } }), (error) => {
    return error instanceof Error && error.constructor === SluiceError
  })
})

test('the output is the same before and after the WebAssembly scanner is loaded, and without it', async (t) => {
  const workspace = await openProject(t)
  const lines = Array.from(
    { length: 6000 },
    (_, id) => `{"id":"${id % 5000}","password":"hunter${id}","n":[${id},"é"]}\n`,
  )
  assert.ok(lines.join('').length > 256 * 1024)
  await workspace.write('in.ndjson', lines.join(''))
  const outputs = new Set<string>()
  for (const SLUICE_SCANNER of ['', 'wasm', 'typescript']) {
    const args = ['run', 'file', '--set', 'sink={ type: stdout }']
    const { code, stdout, stderr } = await workspace.start(args, { env: { SLUICE_SCANNER } }).ended
    assert.equal(code, 0, stderr)
    outputs.add(stdout)
  }
  assert.equal(outputs.size, 1)
  assert.equal([...outputs][0]?.split('\n').length, 5001)
})

test('each chunk of our own code has a source map with its sources, none of which is a library', async () => {
  const dist = join(REPOSITORY, 'build/dist')
  for (const name of (await readdir(dist)).filter((file) => file.endsWith('.cjs'))) {
    const [, map] = /^\/\/# sourceMappingURL=(.+)$/m.exec(await readFile(join(dist, name), 'utf8')) ?? []
    if (map === undefined) {
      assert.match(name, /^(rolldown-runtime|index|testing)/)
      continue
    }
    const { sources, sourcesContent }: { sources: string[]; sourcesContent: (string | null)[] } = JSON.parse(
      await readFile(join(dist, map), 'utf8'),
    )
    for (const [at, source] of sources.entries()) {
      assert.match(relative(REPOSITORY, join(dist, source)), /^src\//)
      assert.ok(sourcesContent[at], source)
    }
  }
})

async function openProject(t: TestContext): Promise<Workspace> {
  const workspace = await openWorkspace(t)
  for (const [name, content] of Object.entries(PROJECT)) await workspace.write(name, content)
  return workspace
}

/** The files of code that a command loads, as V8 lists them. */
async function filesLoadedBy(t: TestContext, args: readonly string[], more: Environment = {}): Promise<string[]> {
  const workspace = await openProject(t)
  const coverage = workspace.path('coverage')
  const env = { ...more, NODE_V8_COVERAGE: coverage, NODE_DISABLE_COMPILE_CACHE: '1', SLUICE_SCANNER: '' }
  const { code, stderr } = await workspace.start(args, { env }).ended
  assert.equal(code, 0, stderr)
  const files = new Set<string>()
  for (const name of await readdir(coverage)) {
    const { result }: { result: { url: string }[] } = JSON.parse(await readFile(join(coverage, name), 'utf8'))
    for (const { url } of result) if (url.startsWith('file:')) files.add(fileURLToPath(url))
  }
  return [...files]
}

type Environment = { readonly [name: string]: string }

/** Of the files, those of these libraries. Very small ones are helpers that ajv's compiled code needs. */
function filesOf(libraries: RegExp, files: readonly string[]): string[] {
  return files.filter(
    (file) =>
      /\/(lib|node_modules)\//.test(file) &&
      libraries.test(file.split('/').slice(-3).join('/')) &&
      statSync(file).size > 5000,
  )
}
