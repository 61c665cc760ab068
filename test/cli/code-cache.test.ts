/*
 * The code that V8 has compiled is kept for the next start of a command. Whatever is in the folder, the
 * command does the same.
 */
import assert from 'node:assert/strict'
import { chmod, cp, mkdir, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { openWorkspace } from '../support/command.ts'
import type { CommandOptions, Workspace } from '../support/command.ts'
import type { CommandResult } from '../support/command-host.ts'
import { MAIN, REPOSITORY } from '../support/paths.ts'

const DESCRIBE = ['describe', 'dedup']

describe('the cache of compiled code', { skip: MAIN.endsWith('.ts') && 'the sources are not bundled' }, () => {
  test('a command makes it private, and the next start leaves it as it is', async (t) => {
    const { run, folder, files, identity } = await openCache(t)
    const first = await run(DESCRIBE)
    const [file = ''] = await files()
    assert.match(file, /^describe-[0-9a-f]+\.code$/)
    assert.equal((await stat(folder)).mode & 0o777, 0o700)
    assert.equal((await stat(join(folder, file))).mode & 0o777, 0o600)
    const written = await identity(file)
    assert.equal(await run(DESCRIBE), first)
    assert.equal(await identity(file), written)
  })

  test('a file that is damaged, cut or empty changes nothing, and is replaced', async (t) => {
    const { run, folder, files } = await openCache(t)
    const output = await run(DESCRIBE)
    const [file = ''] = await files()
    const path = join(folder, file)
    const intact = await readFile(path)
    const flipped = Buffer.from(intact)
    for (let at = 5000; at < flipped.length; at += 997) flipped[at] = (flipped[at] ?? 0) ^ 0x40
    const damages = [
      flipped,
      intact.subarray(0, intact.length / 2),
      Buffer.from(''),
      Buffer.from('[1]\n'),
      Buffer.from('[null]\n'),
    ]
    for (const damaged of damages) {
      await writeFile(path, damaged)
      assert.equal(await run(DESCRIBE), output)
      assert.ok((await readFile(path)).length > intact.length * 0.9)
      assert.notDeepEqual(await readFile(path), damaged)
    }
  })

  test('code that has changed without changing its length is compiled again', async (t) => {
    const { run, files, identity } = await openCache(t)
    const root = await copyBundle(t)
    const program = join(root, 'build/dist/main.cjs')
    assert.match(await run(['--help'], { program }), /Streams audit events/)
    const [file = ''] = await files()
    const before = await identity(file)
    const chunks = (await readdir(join(root, 'build/dist'))).filter((name) => /^parse-.*\.cjs$/.test(name))
    const texts = await Promise.all(chunks.map((name) => readFile(join(root, 'build/dist', name), 'utf8')))
    const at = texts.findIndex((text) => text.includes('Streams audit events'))
    const chunk = join(root, 'build/dist', chunks[at] ?? '')
    const text = texts[at] ?? ''
    await writeFile(chunk, text.replace('Streams audit events', 'Carries audit events'))
    assert.match(await run(['--help'], { program }), /Carries audit events/)
    assert.notEqual(await identity(file), before)
    assert.match(await run(['--help'], { program }), /Carries audit events/)
  })

  test('other options of Node.js have a file of their own', async (t) => {
    const { run, files } = await openCache(t)
    await run(DESCRIBE)
    await run(DESCRIBE, { node: ['--stack-size=900'] })
    await run(DESCRIBE, { env: { NODE_OPTIONS: '--max-old-space-size=200' } })
    assert.equal((await files()).length, 3)
  })

  test('commands that start at the same time write one complete file', async (t) => {
    const { run, files, identity } = await openCache(t)
    const outputs = await Promise.all(Array.from({ length: 4 }, () => run(DESCRIBE)))
    assert.equal(new Set(outputs).size, 1)
    const [file = '', ...others] = await files()
    assert.deepEqual(others, [])
    const written = await identity(file)
    await run(DESCRIBE)
    assert.equal(await identity(file), written)
  })

  test('it is not used where somebody else could write, and not made where that is impossible', async (t) => {
    const { run, folder, files } = await openCache(t)
    await mkdir(folder, { recursive: true })
    await chmod(folder, 0o777)
    const output = await run(DESCRIBE)
    assert.deepEqual(await files(), [])
    await chmod(folder, 0o700)
    await run(DESCRIBE)
    const [file = ''] = await files()
    await writeFile(join(folder, file), 'not code')
    await chmod(join(folder, file), 0o666)
    assert.equal(await run(DESCRIBE), output)
    assert.equal((await stat(join(folder, file))).mode & 0o777, 0o600)
    await rm(folder, { recursive: true })
    await writeFile(folder, 'not a folder')
    assert.equal(await run(DESCRIBE), output)
  })

  test('NODE_COMPILE_CACHE names another folder, NODE_DISABLE_COMPILE_CACHE turns it off', async (t) => {
    const { run, workspace, files } = await openCache(t)
    await run(DESCRIBE, { env: { NODE_DISABLE_COMPILE_CACHE: '1' } })
    assert.deepEqual(await files(), [])
    await run(DESCRIBE, { env: { NODE_COMPILE_CACHE: workspace.path('other') } })
    assert.deepEqual(await files(), [])
    assert.equal((await readdir(workspace.path('other/sluice'))).length, 1)
  })

  test('a file that nothing has used for a month is removed', async (t) => {
    const { run, folder, files } = await openCache(t)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await writeFile(join(folder, 'run-1.code'), 'x')
    await writeFile(join(folder, 'run-2.code'), 'x')
    await writeFile(join(folder, 'notes'), 'x')
    const longAgo = Date.now() / 1000 - 31 * 86400
    await utimes(join(folder, 'run-1.code'), longAgo, longAgo)
    await utimes(join(folder, 'notes'), longAgo, longAgo)
    await run(DESCRIBE)
    const [own = '', ...others] = await files()
    assert.match(own, /^describe-/)
    assert.deepEqual(others, ['notes', 'run-2.code'])
  })

  test('custom code and the command share their modules, with the cache and without', async (t) => {
    const { workspace, start, files } = await openCache(t)
    await workspace.write('in.ndjson', '{"id":1}\n')
    await workspace.write(
      'tag.js',
      `import { defineTransform, SluiceError } from 'sluice'
export default defineTransform({
  summary: 'Fails.',
  fields: {},
  create: () => {
    if (process.env.FAIL) throw new SluiceError('SINK_REFUSED', 'of the same class')
    return (record) => record
  },
})
`,
    )
    await workspace.write(
      'pipelines/custom.yaml',
      'source: { type: file, path: in.ndjson }\ntransforms: [{ type: ../tag.js }]\nsink: { type: stdout }\n',
    )
    for (const _ of ['cold', 'warm']) {
      const { code, stderr } = await start(['run', 'custom'])
      assert.equal(code, 0, stderr)
      const failed = await start(['run', 'custom'], { env: { FAIL: '1' } })
      assert.match(failed.stderr, /SINK_REFUSED: of the same class/)
      assert.equal(failed.code, 4)
    }
    assert.equal((await files()).length, 1)
  })
})

interface Cache {
  readonly workspace: Workspace
  readonly folder: string
  /** Runs a command with the cache. */
  readonly start: (args: readonly string[], options?: CommandOptions) => Promise<CommandResult>
  /** The same. Returns what it prints; fails unless it ends with 0. */
  readonly run: (args: readonly string[], options?: CommandOptions) => Promise<string>
  /** Names in the folder. */
  readonly files: () => Promise<string[]>
  /** Changes when a file is written. */
  readonly identity: (file: string) => Promise<string>
}

async function openCache(t: TestContext): Promise<Cache> {
  const workspace = await openWorkspace(t)
  const folder = workspace.path('cache/sluice')
  // The tests may be measured, and the cache off.
  const none = { NODE_V8_COVERAGE: '', NODE_COMPILE_CACHE: '', NODE_DISABLE_COMPILE_CACHE: '', NODE_OPTIONS: '' }
  const start = (args: readonly string[], { env, ...options }: CommandOptions = {}) =>
    workspace.start(args, { ...options, env: { ...none, XDG_CACHE_HOME: workspace.path('cache'), ...env } }).ended
  return {
    workspace,
    folder,
    start,
    run: async (args, options) => {
      const { code, stdout, stderr } = await start(args, options)
      assert.deepEqual([code, stderr], [0, ''])
      return stdout
    },
    files: () =>
      readdir(folder).then(
        (names) => names.toSorted((one, other) => one.localeCompare(other)),
        () => [],
      ),
    identity: async (file) => {
      const { ino, mtimeMs } = await stat(join(folder, file))
      return `${ino} ${mtimeMs}`
    },
  }
}

/** A package of its own, whose code a test may change. */
async function copyBundle(t: TestContext): Promise<string> {
  const { folder } = await openWorkspace(t)
  await cp(join(REPOSITORY, 'build/dist'), join(folder, 'build/dist'), { recursive: true })
  await cp(join(REPOSITORY, 'package.json'), join(folder, 'package.json'))
  await symlink(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'))
  return folder
}
