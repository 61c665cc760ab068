import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { readGuide } from '../../support/markdown.ts'
import { copyCheckout, runShell } from '../../support/packed.ts'
import { createFolder } from '../../support/temporary-folder.ts'

const checkout = await createFolder()
const unpacked = await createFolder()
const root = join(unpacked.path, 'package')
let files: string[] = []

before(async () => {
  await copyCheckout(checkout.path)
  const packed = await runShell(`npm pack --silent "$FROM" && tar -xzf *.tgz`, {
    cwd: unpacked.path,
    env: { FROM: checkout.path },
  })
  assert.equal(packed.code, 0, packed.stderr)
  const names = await readdir(root, { recursive: true })
  files = names.filter((name) => statSync(join(root, name)).isFile())
})
after(async () => {
  await checkout.remove()
  await unpacked.remove()
})

test('npm pack builds first, and leaves nothing in the checkout that npm would prefer to its lock file', () => {
  const { bin, exports } = packageJson()
  const targets = [...Object.values(bin), ...Object.values(exports).flatMap((one) => Object.values(one))]
  assert.ok(targets.length >= 5)
  for (const target of targets) assert.ok(existsSync(join(root, target)), target)
  assert.ok(files.some((name) => name.endsWith('.wasm')))
  assert.ok(!existsSync(join(checkout.path, 'npm-shrinkwrap.json')))
})

test('the package has the files that its pipelines and pages refer to', async () => {
  for (const name of ['LICENSE', 'README.md', 'docs/run-a-pipeline.md']) assert.ok(files.includes(name), name)
  for (const file of files.filter((name) => name.startsWith('pipelines/'))) {
    const text = await readFile(join(root, file), 'utf8')
    const paths = [...text.matchAll(/(?:\.\.\/)?\b((?:schemas|transforms|samples|examples)\/[\w./*-]+)/g)]
    assert.ok(paths.length > 0, file)
    for (const [, path = ''] of paths) {
      const pattern = new RegExp(`^${path.replaceAll('.', '\\.').replaceAll('*', '[^/]*')}$`)
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

test('the package has no tests, and every source map has its sources', async () => {
  assert.deepEqual(
    files.filter((name) => /^(test|bench|node_modules)\/.*\.[jt]s$|\.test\.|tsbuildinfo/.test(name)),
    [],
  )
  for (const name of files.filter((file) => file.endsWith('.map'))) {
    const map: { sources: string[]; sourcesContent?: (string | null)[] } = JSON.parse(
      await readFile(join(root, name), 'utf8'),
    )
    for (const [i, source] of map.sources.entries())
      assert.ok(map.sourcesContent?.[i] || existsSync(join(root, dirname(name), source)), `${name}: ${source}`)
  }
  for (const name of files.filter((file) => /\.(js|d\.ts)$/.test(file))) {
    const [, url] = /^\/\/# sourceMappingURL=(.+)$/m.exec(await readFile(join(root, name), 'utf8')) ?? []
    if (url !== undefined && !url.startsWith('data:')) assert.ok(existsSync(join(root, dirname(name), url)), name)
  }
})

test('the package pins each dependency by version and checksum, and names no address and no tool of development', async () => {
  type Entry = { version: string; integrity?: string; resolved?: string; dev?: boolean; dependencies?: object }
  type Lock = { packages: { [path: string]: Entry } }
  const pinned: Lock = JSON.parse(await readFile(join(root, 'npm-shrinkwrap.json'), 'utf8'))
  const locked: Lock = JSON.parse(await readFile(join(checkout.path, 'package-lock.json'), 'utf8'))
  const { '': own, ...entries } = pinned.packages
  assert.deepEqual(own?.dependencies, packageJson().dependencies)
  assert.ok(!('devDependencies' in (own ?? {})))
  for (const name of Object.keys(packageJson().dependencies)) assert.ok(`node_modules/${name}` in entries, name)
  for (const [path, entry] of Object.entries(entries)) {
    assert.equal(entry.version, locked.packages[path]?.version, path)
    assert.match(entry.integrity ?? '', /^sha512-/, path)
    assert.deepEqual([entry.resolved, entry.dev], [undefined, undefined], path)
  }
})

interface PackageJson {
  readonly bin: { readonly [name: string]: string }
  readonly exports: { readonly [name: string]: { readonly [condition: string]: string } }
  readonly dependencies: { readonly [name: string]: string }
}

let parsed: PackageJson | undefined

function packageJson(): PackageJson {
  return (parsed ??= JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')))
}
