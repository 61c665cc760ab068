/**
 * Runs the tests that a change can reach: the uncommitted one, and the commits since a base, which is
 * `origin/main` or `main` unless it is named. Follows imports, and the files that tests start as
 * processes. Tests below test/system are left out unless something there changed or `--system` is
 * given: through the command line they reach almost every file. The caller builds first.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { isOfSystem, listTests, runTests } from './run-tests.js'

/** Any of these may change the result of any test. */
const EVERYTHING = /^(package(-lock)?\.json|tsconfig\.json|scripts\/|test\/support\/paths\.ts$)/
/** The guides, and all that they show or run. */
const GUIDES = /\.(md|ya?ml)$|^(docs|pipelines|schemas|transforms|samples|template|examples)\//
const GUIDE_TEST = 'test/docs.test.ts'
/** The scanner in AssemblyScript is loaded as a compiled module. */
const ASSEMBLY = /^src\/record\/wasm\/assembly\//
const ASSEMBLY_USER = 'src/record/wasm/module.ts'
/** The page of `sluice ui` is built, and opened in a browser. */
const PAGE = /^page\//
const PAGE_TEST = 'test/ui/page.test.ts'

const args = process.argv.slice(2)
const base = args.find((arg) => !arg.startsWith('-')) ?? defaultBase()
const changed = changedSince(base)
const tests = listTests()
const users = readUsers()
const reached = changed.some((file) => EVERYTHING.test(file)) ? new Set(tests) : reachedFrom(changed)
const reachedWithin = reachedFrom(changed.filter(isOfSystem))
const found = tests.filter((file) => reached.has(file))
const chosen = found.filter((file) => !isOfSystem(file) || reachedWithin.has(file) || args.includes('--system'))

print(`${count(changed.length, 'file')} changed since ${base}; ${count(chosen.length, 'test file')} to run`)
for (const file of chosen) print(`  ${file}`)
if (found.length > chosen.length)
  print(`left out below test/system: ${found.length - chosen.length}; npm run check runs them`)
if (chosen.length > 0) runTests(chosen)

function defaultBase() {
  return git('branch', '--all', '--format=%(refname:short)').includes('origin/main') ? 'origin/main' : 'main'
}

function changedSince(revision) {
  const [start] = git('merge-base', revision, 'HEAD')
  const names = [...git('diff', '--name-only', start), ...git('ls-files', '--others', '--exclude-standard')]
  return [...new Set(names)]
}

function git(...command) {
  return execFileSync('git', command, { encoding: 'utf8' }).split('\n').filter(Boolean)
}

/** All files that depend on these, with themselves. */
function reachedFrom(files) {
  const waiting = files.flatMap((file) => (ASSEMBLY.test(file) ? ASSEMBLY_USER : file))
  for (const file of files) {
    if (GUIDES.test(file)) waiting.push(GUIDE_TEST)
    if (PAGE.test(file)) waiting.push(PAGE_TEST)
    if (file.startsWith('test/') && !file.endsWith('.ts')) waiting.push(...filesThatMention(file))
  }
  const all = new Set()
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (all.has(file)) continue
    all.add(file)
    waiting.push(...(users.get(file) ?? []))
  }
  return all
}

/** For each file, the files that import it or start it as a process. */
function readUsers() {
  const command = [
    'src',
    'test',
    'examples',
    'transforms',
    '--config',
    '.dependency-cruiser.mjs',
    '--output-type',
    'json',
  ]
  const options = { encoding: 'utf8', maxBuffer: 2 ** 28 }
  const { modules } = JSON.parse(execFileSync('node_modules/.bin/depcruise', command, options))
  const users = new Map()
  const add = (file, user) => users.set(file, [...(users.get(file) ?? []), user])
  for (const { source, dependencies } of modules) {
    for (const { resolved } of dependencies) add(resolved, source)
    if (!source.startsWith('test/') || !existsSync(source)) continue
    // MAIN and codeFile are of test/support/paths.ts.
    for (const [match, path] of readFileSync(source, 'utf8').matchAll(/codeFile\('([^']+)'\)|[^\w]MAIN[,\s}]/g)) {
      if (source !== 'test/support/paths.ts') add(path ?? 'src/cli/start.ts', source)
    }
  }
  return users
}

/** Tests and their helpers name a fixture or its folder. */
function filesThatMention(fixture) {
  const names = [basename(fixture), basename(dirname(fixture))]
  const files = git('ls-files', '--cached', '--others', '--exclude-standard', 'test/*.ts').filter((file) =>
    existsSync(file),
  )
  return files.filter((file) => names.some((name) => readFileSync(file, 'utf8').includes(name)))
}

function print(text) {
  process.stdout.write(`${text}\n`)
}

function count(number, noun) {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
