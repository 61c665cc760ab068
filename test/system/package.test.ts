/*
 * The package, from `npm pack` on, in folders outside of the checkout: the commands of the README, what
 * the package contains, what it installs, its types, a global installation.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { startRegistry } from '../servers/registry.ts'
import { startS3Server } from '../servers/s3.ts'
import { readGuide } from '../support/markdown.ts'
import { copyCheckout, isOffline, NO_SCRIPTS, runShell } from '../support/packed.ts'
import type { ShellResult } from '../support/packed.ts'
import { REPOSITORY } from '../support/paths.ts'
import { createFolder } from '../support/temporary-folder.ts'

const folder = await createFolder()
const checkout = join(folder.path, 'checkout')
const project = join(folder.path, 'project')
/** What is installed. */
const root = join(project, 'node_modules/sluice')
const s3 = await startS3Server({ buckets: ['audit'], accessKeyId: 'minioadmin', secretAccessKey: 'minioadmin' })

let commands: string[] = []
const results: ShellResult[] = []
let files: string[] = []
let skip: string | false = false

before(async () => {
  for (const name of [checkout, project]) await mkdir(name)
  await copyCheckout(checkout)
  const { blocks } = readGuide(await readFile(join(REPOSITORY, 'README.md'), 'utf8'))
  const lines =
    blocks
      .find(({ text }) => text.startsWith('npm pack'))
      ?.text.trim()
      .split('\n') ?? []
  commands = lines.map((line) => line.replace(/ +#.*$/, ''))
  for (const command of commands) {
    const result = await runShell(command.replace('~/sluice', checkout), {
      cwd: project,
      // The only changes: the store has a free port here, and no script of a dependency runs.
      env: { AWS_ENDPOINT_URL_S3: s3.endpoint, ...(command.startsWith('npm install') && NO_SCRIPTS) },
    })
    results.push(result)
    if (command.startsWith('npm install') && isOffline(result))
      skip = 'neither the cache of npm nor its registry answers'
    if (result.code !== 0) break
  }
  if (!existsSync(root)) return
  const names = await readdir(root, { recursive: true })
  files = names.filter((name) => !name.startsWith('node_modules') && statSync(join(root, name)).isFile())
})

after(async () => {
  await s3.close()
  await folder.remove()
})

/** A test that needs the installation. */
function testInstalled(name: string, run: (t: { after(end: () => void): void }) => Promise<void>): void {
  test(name, async (t) => {
    if (skip !== false) return t.skip(skip)
    assert.ok(existsSync(root), results.at(-1)?.stderr)
    await run(t)
  })
}

testInstalled('five commands of the README lead from npm pack to the first objects in a bucket', async () => {
  assert.deepEqual(
    results.map(({ code }) => code),
    [0, 0, 0, 0, 0],
    results.at(-1)?.stderr,
  )
  assert.equal(commands.length, 5)
  assert.match(
    results[2]?.stderr ?? '',
    /\n {2}npx sluice test\n {2}cp \.env\.example \.env .*\n {2}npx sluice run events\n$/,
  )
  assert.deepEqual([...s3.objects('audit').keys()].map((key) => key.replace(/[^/]*$/, '')).toSorted(), [
    'events/dt=2024-03-04/',
    'events/dt=2024-03-05/',
  ])
  assert.ok(!existsSync(join(checkout, 'npm-shrinkwrap.json')), 'npm would prefer it to the lock file')
})

testInstalled('in the new project all checks and tests pass, of each pipeline that comes with Sluice too', async () => {
  const line = `set -e
    npx sluice list --json | node -p 'JSON.parse(fs.readFileSync(0)).shipped.join("\\n")' >names
    while read -r name; do npx sluice new pipeline --from $name; done <names
    npx sluice check && npm test && npx sluice run archive
    npx sluice new transform mine && npx sluice test mine`
  const { code, stdout, stderr } = await runShell(line, { cwd: project })
  assert.equal(code, 0, stdout + stderr)
  for (const name of await readdir(join(REPOSITORY, 'pipelines')))
    assert.match(stdout, new RegExp(`^pipelines/${name.replace('.', '\\.')}: ok`, 'm'))
  const modeline = /\$schema=(\S+)/.exec(await readFile(join(project, 'pipelines/okta.yaml'), 'utf8'))?.[1] ?? ''
  assert.equal(join('pipelines', modeline), 'node_modules/sluice/schemas/pipeline.schema.json')
  const settings: { 'yaml.schemas': object } = JSON.parse(
    await readFile(join(project, '.vscode/settings.json'), 'utf8'),
  )
  assert.deepEqual(Object.keys(settings['yaml.schemas']), [
    './node_modules/sluice/schemas/pipeline.schema.json',
    './node_modules/sluice/schemas/test.schema.json',
  ])
})

testInstalled(
  'the types compile with skipLibCheck: false, with the @types/node that npm brings, and without any in types',
  async () => {
    await writeFile(
      join(project, 'transforms/typed.ts'),
      `import { defineSink, defineSource, defineTransform, openPipeline, SluiceError, Type } from 'sluice'
import type { Outcome, Record } from 'sluice'
import { sourceContract, transformContract } from 'sluice/testing'
export default defineTransform({
  summary: 'x',
  fields: { label: Type.String({ description: 'x' }) },
  create: ({ label }) => (record: Record): Outcome => record.set('label', label.trim()),
})
export const others = { openPipeline, defineSink, defineSource, SluiceError, sourceContract, transformContract }
`,
    )
    await mkdir(join(project, 'sources'))
    await writeFile(
      join(project, 'sources/program.ts'),
      `import { pipeline } from 'node:stream/promises'
import { sink, source, transform } from 'sluice'
export async function collect(): Promise<number> {
  const written = sink({ type: 'file', path: 'out/program', key: 'all', state: '.sluice/program' })
  await pipeline(source({ type: 'file', path: 'samples/events.ndjson' }), transform({ type: 'dedup', key: ['id'] }), written)
  return written.report()?.written ?? 0
}
`,
    )
    const tsc = join(REPOSITORY, 'node_modules/typescript/bin/tsc')
    for (const types of ['--types ""', '--types node']) {
      const line = `node "$TSC" -p . --skipLibCheck false ${types}`
      const { code, stdout } = await runShell(line, { cwd: project, env: { TSC: tsc } })
      assert.equal(code, 0, `${types}: ${stdout}`)
    }
    assert.ok(existsSync(join(project, 'node_modules/@types/node')))
    // Without Node's types at all it still compiles where the types of libraries are not checked.
    const bare = join(folder.path, 'bare')
    await cp(join(project, 'transforms'), join(bare, 'transforms'), { recursive: true })
    await cp(join(project, 'tsconfig.json'), join(bare, 'tsconfig.json'))
    await mkdir(join(bare, 'node_modules'))
    for (const name of ['sluice', 'typebox']) {
      await cp(join(project, 'node_modules', name), join(bare, 'node_modules', name), { recursive: true })
    }
    const { code, stdout } = await runShell('node "$TSC" -p . --skipLibCheck', { cwd: bare, env: { TSC: tsc } })
    assert.equal(code, 0, stdout)
  },
)

testInstalled('a program in the project runs a pipeline, and opens one of its files', async () => {
  const program = `import { pipeline } from 'node:stream/promises'
import { openPipeline, sink, source, transform } from 'sluice'
const written = sink({ type: 'file', path: 'out/program', key: 'all', state: '.sluice/program' })
await pipeline(source({ type: 'file', path: 'samples/events.ndjson' }), transform({ type: 'dedup', key: ['id'] }), written)
const { passed } = await (await openPipeline('events')).test()
console.log(written.report().written, passed)
`
  await writeFile(join(project, 'program.js'), program)
  const { stdout, stderr } = await runShell('node program.js', { cwd: project })
  assert.equal(stdout, '4 3\n', stderr)
})

testInstalled('the package has the files that its pipelines and pages refer to, and its entry points', async () => {
  const { bin, exports } = packageJson()
  const { '.': main, './testing': testing } = exports
  const targets = [...Object.values(bin), ...Object.values(main ?? {}), ...Object.values(testing ?? {})]
  assert.equal(targets.length, 5)
  for (const target of targets) assert.ok(existsSync(join(root, target)), target)
  const line = `node -p 'require("sluice/package.json").version; require("sluice/schemas/pipeline.schema.json").title'`
  assert.equal((await runShell(line, { cwd: project })).stdout, 'A Sluice pipeline\n')
  for (const name of ['LICENSE', 'README.md', 'docs/install.md', 'docs/run-a-pipeline.md'])
    assert.ok(files.includes(name), name)
  for (const file of files.filter((name) => /^(template\/)?pipelines\//.test(name))) {
    const text = await readFile(join(root, file), 'utf8')
    const paths = [...text.matchAll(/(?:\.\.\/)?\b((?:schemas|transforms|samples|examples)\/[\w./*-]+)/g)]
    assert.ok(paths.length > 0, file)
    for (const [, path = ''] of paths) {
      const pattern = new RegExp(`^(template/)?${path.replaceAll('.', '\\.').replaceAll('*', '[^/]*')}$`)
      assert.ok(
        files.some((name) => pattern.test(name)),
        `${file}: ${path}`,
      )
    }
  }
  for (const page of files.filter((name) => name.endsWith('.md'))) {
    const { links } = readGuide(await readFile(join(root, page), 'utf8'))
    for (const link of links.filter((one) => !/^([a-z]+:|#)/.test(one))) {
      const target = join(dirname(page), link.split('#')[0] ?? '')
      assert.ok(existsSync(join(root, target)), `${page} links to ${target}`)
    }
  }
})

testInstalled(
  'the package has no tests, every source map has its sources, and bundled libraries have their licences',
  async () => {
    assert.deepEqual(
      files.filter((name) => /^test\/|^bench\/.*\.ts|\.test\.|tsbuildinfo/.test(name)),
      [],
    )
    for (const name of files.filter((file) => file.endsWith('.map'))) {
      const map: SourceMap = JSON.parse(await readFile(join(root, name), 'utf8'))
      for (const [i, source] of map.sources.entries())
        assert.ok(map.sourcesContent?.[i] || existsSync(join(root, dirname(name), source)), `${name}: ${source}`)
    }
    for (const name of files.filter((file) => /\.(js|d\.ts)$/.test(file))) {
      const [, url] = /^\/\/# sourceMappingURL=(.+)$/m.exec(await readFile(join(root, name), 'utf8')) ?? []
      if (url !== undefined && !url.startsWith('data:')) assert.ok(existsSync(join(root, dirname(name), url)), name)
    }
    const licenses = await readFile(join(root, 'build/dist/lib/LICENSES.txt'), 'utf8')
    for (const name of ['@aws-sdk/client-s3', 'ajv', 'undici', 'yaml', 'yargs'])
      assert.match(licenses, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\((Apache-2\\.0|MIT|ISC)\\)$`, 'm'))
  },
)

testInstalled('a registry installs exactly the versions of the lock file', async (t) => {
  const archive = (await readdir(project)).find((name) => name.endsWith('.tgz')) ?? ''
  const registry = await startRegistry({ archive: join(project, archive), manifest: packageJson() })
  t.after(registry.close)
  const pinned = join(folder.path, 'pinned')
  await mkdir(pinned)
  const options = { cwd: pinned, env: { ...NO_SCRIPTS, npm_config_replace_registry_host: 'never' } }
  const installed = await runShell(`npm install --registry ${registry.origin} sluice && npx sluice --version`, options)
  assert.equal(installed.code, 0, installed.stderr)
  const locked = await lockOf(checkout, 'package-lock.json')
  const found = Object.entries(await lockOf(pinned, 'node_modules/.package-lock.json')).filter(([path]) =>
    path.startsWith('node_modules/sluice/'),
  )
  assert.ok(found.length >= Object.keys(packageJson().dependencies).length)
  for (const [path, { version }] of found)
    assert.equal(version, locked[path.replace('node_modules/sluice/', '')]?.version, path)
  for (const { resolved, dev } of Object.values(await lockOf(root, 'npm-shrinkwrap.json')))
    assert.deepEqual([resolved, dev], [undefined, undefined])
})

testInstalled('an image gets the packages that the lock file of the project names', async () => {
  const image = join(folder.path, 'image')
  await mkdir(image)
  const text = await readFile(join(root, 'deploy/Dockerfile'), 'utf8')
  const [, copied = ''] = /^COPY (package\.json .*) \.\/$/m.exec(text) ?? []
  const [, install = ''] = /^RUN (npm ci .*)$/m.exec(text) ?? []
  await runShell(`cp ${copied} '${image}'`, { cwd: project })
  const installed = await runShell(install, { cwd: image })
  assert.equal(installed.code, 0, installed.stderr)
  const { stdout } = await runShell('node_modules/.bin/sluice --version', { cwd: image })
  assert.match(stdout, /^sluice /)
  assert.ok(existsSync(join(root, 'deploy/.dockerignore')))
})

testInstalled('a global installation makes and runs a project, whose code imports the running program', async () => {
  const prefix = join(folder.path, 'global')
  const home = join(folder.path, 'home')
  for (const name of [prefix, home]) await mkdir(name)
  const installed = await runShell(`npm install -g --prefix "$PREFIX" ./sluice-*.tgz`, {
    cwd: project,
    env: { ...NO_SCRIPTS, PREFIX: prefix },
  })
  assert.equal(installed.code, 0, installed.stderr)
  const line = `set -e
    export PATH="${prefix}/bin:$PATH"
    sluice init 'my audit' </dev/null 2>next && cat next
    cd 'my audit' && sluice test && sluice check
    sluice new transform mine && sluice test mine
    cp .env.example .env && sluice run events && sluice verify events`
  const { code, stdout, stderr } = await runShell(line, { cwd: home, env: { AWS_ENDPOINT_URL_S3: s3.endpoint } })
  assert.equal(code, 0, stdout + stderr)
  assert.match(stdout, /next, in my audit:\n {2}sluice test\n/)
  assert.match(stdout, /1 passed, 0 failed/)
  const yaml = await readFile(join(home, 'my audit/pipelines/events.yaml'), 'utf8')
  assert.match(yaml, /\$schema=\.\.\/schemas\/pipeline\.schema\.json\n/)
  assert.ok(existsSync(join(home, 'my audit/schemas/pipeline.schema.json')))
})

interface SourceMap {
  readonly sources: readonly string[]
  readonly sourcesContent?: readonly (string | null)[]
}

interface LockEntry {
  readonly version: string
  readonly resolved?: string
  readonly dev?: boolean
}

async function lockOf(place: string, name: string): Promise<{ readonly [path: string]: LockEntry }> {
  const { packages }: { packages: { [path: string]: LockEntry } } = JSON.parse(
    await readFile(join(place, name), 'utf8'),
  )
  return packages
}

interface PackageJson {
  readonly name: string
  readonly version: string
  readonly bin: { readonly [name: string]: string }
  readonly exports: { readonly [name: string]: { readonly [condition: string]: string } | undefined }
  readonly dependencies: { readonly [name: string]: string }
}

function packageJson(): PackageJson {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
}
