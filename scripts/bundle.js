/**
 * Bundles the published code into `build/dist/`: the command (`main.js`), what custom components import
 * (`index.js`, `testing.js`), and the chunks that they share, so that all three use the same modules.
 * A chunk is loaded when something in it is used. Runs after tsc, which checks the types and writes
 * those that are published.
 *
 * The libraries are bundled too, because finding and opening their hundreds of files takes longer than a
 * small run. Their chunks have no source maps. A library that finds its own files at run time stays
 * outside.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join, parse, relative } from 'node:path'
import { rolldown } from 'rolldown'
import { minifySync } from 'rolldown/utils'
import { licensesOf } from './licenses.js'

const LIBRARY = /node_modules/
const OUTPUT = 'build/dist'
/** Validators of our own configuration, see compile-schemas.js. */
const SCHEMAS = 'build/schemas'
/** jiti has a compiler that it loads when it needs one, piscina a file that its threads run. */
const OUTSIDE = ['jiti', 'piscina']
/** The only file that imports what is not in the bundle, see there. */
const IMPORTING = 'import-module'
/** Made by other steps of the build. */
const OTHERS = ['scanner.wasm']
const PAGE = 'page/'

/** What every command loads. */
const BASE = ['src/cli/main.ts', 'src/cli/commands/list.ts', 'src/component.ts']
/** What every run loads, and the smaller components. */
const CORE = [
  'src/cli/commands/run.ts',
  'src/config/load.ts',
  'src/runtime/streams/open-run.ts',
  'src/record/fast-scanner.ts',
  ...['sources/file', 'transforms/validate', 'transforms/redact', 'transforms/dedup', 'transforms/filter'].map(fileOf),
  ...['sinks/file', 'sinks/file/folder-sink', 'sources/file/read-input'].map(fileOf),
]
/**
 * Libraries whose place others take, by the library that imports them. yargs lays out help in ASCII, and
 * string-width takes 10 ms to load, for each command.
 */
const REPLACED = {
  'string-width': { by: 'plain-width', importer: /node_modules\/(yargs|cliui|wrap-ansi)\// },
  'node-gyp-build-optional-packages': { by: 'lmdb-binary', importer: /node_modules\/lmdb\// },
  msgpackr: { by: 'no-msgpackr', importer: /node_modules\/lmdb\// },
}

const imports = new Map()
const reached = new Map()

/** The threads, and the process of a test, are named by the files that start them. */
const ENTRIES = {
  main: 'src/cli/start.ts',
  index: 'src/index.ts',
  testing: 'src/testing/index.ts',
  'shard-thread': 'src/shards/shard-thread.ts',
  'transform-thread': 'src/runtime/parallel/transform-thread.ts',
  'job-process': 'src/ui/jobs/job-process.ts',
  'attempt-process': 'src/inspect/whole/attempt-process.ts',
}
const schemas = (await readdir(SCHEMAS)).map((name) => [`schemas/${parse(name).name}`, join(SCHEMAS, name)])

const bundle = await rolldown({
  input: {
    ...Object.fromEntries(schemas),
    ...ENTRIES,
  },
  platform: 'node',
  external: OUTSIDE,
  plugins: [{ name: 'sluice', resolveId: replace, buildEnd: keepGraph }],
  tsconfig: 'tsconfig.json',
  // yargs has a function that needs import.meta, ordered-binary one that is evaluated. The first is not used here.
  checks: { emptyImportMeta: false, eval: false },
})
const { output } = await bundle.generate({
  dir: OUTPUT,
  format: 'cjs',
  exports: 'named',
  sourcemap: true,
  // As modules are.
  intro: "'use strict';",
  comments: false,
  codeSplitting: {
    groups: [
      { name: IMPORTING, test: new RegExp(`/${IMPORTING}\\.ts$`), priority: 6 },
      { name: 'library', test: (id) => reach(BASE).has(id) && LIBRARY.test(id), priority: 5 },
      { name: 'library', test: (id) => reach(CORE).has(id) && LIBRARY.test(id), priority: 4 },
      { name: 'library', test: LIBRARY, entriesAware: true, priority: 3 },
      // Each file takes time to find and to open: what every run needs is in two.
      { name: 'base', test: (id) => reach(BASE).has(id), priority: 2 },
      { name: 'core', test: (id) => reach(CORE).has(id), priority: 1 },
    ],
  },
  entryFileNames: '[name].cjs',
  chunkFileNames: ({ name, moduleIds }) =>
    name.startsWith('library') ? `lib/${mainPackage(moduleIds)}-[hash].cjs` : `[name]-[hash].cjs`,
})
const files = output.filter(({ fileName }) => !(isForeign(fileName) && fileName.endsWith('.map')))
// Chunks before those that import them, and entries last: a process that starts meanwhile finds all.
const licenses = await licensesOf(output.flatMap(({ moduleIds = [] }) => moduleIds.filter((id) => LIBRARY.test(id))))
files.push({ type: 'asset', fileName: 'lib/LICENSES.txt', source: licenses })
files.push(...output.filter(isImported).map(moduleOf))
for (const file of files.toSorted((one, other) => rank(one) - rank(other))) await write(file)
await removeAllBut([...files.map(({ fileName }) => fileName), ...OTHERS])

function replace(name, from) {
  const { by, importer } = REPLACED[name] ?? {}
  if (importer?.test(from)) return join(process.cwd(), `scripts/${by}.js`)
}

function fileOf(module) {
  return `src/${module}.ts`
}

function keepGraph() {
  for (const id of this.getModuleIds()) imports.set(id, this.getModuleInfo(id)?.importedIds ?? [])
}

/** All modules that are loaded with these. */
function reach(sources) {
  const known = reached.get(sources)
  if (known !== undefined) return known
  const all = new Set()
  const waiting = sources.map((source) => join(process.cwd(), source))
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    if (all.has(id)) continue
    all.add(id)
    waiting.push(...(imports.get(id) ?? []))
  }
  reached.set(sources, all)
  return all
}

/** The package that most of the modules belong to: `aws-sdk`, `yaml`. */
function mainPackage(ids) {
  const counts = new Map([['runtime', 0]])
  for (const id of ids) {
    const [, name] = /.*node_modules\/@?([^/]+)/.exec(id) ?? []
    if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return [...counts].toSorted(([, one], [, other]) => other - one)[0][0]
}

/** What programs import. */
function isImported({ isEntry, name }) {
  return isEntry && (name === 'index' || name === 'testing')
}

/** An ES module with the exports of an entry. */
function moduleOf({ name, fileName, exports }) {
  const named = exports.filter((each) => each !== 'default')
  const lines = [`import code from './${fileName}'`]
  if (named.length > 0) lines.push(`export const { ${named.join(', ')} } = code`)
  if (named.length < exports.length) lines.push('export default code.default')
  return { type: 'asset', fileName: `${name}.js`, source: `${lines.join('\n')}\n`, isEntry: true }
}

/** Code that nobody reads in a stack trace. */
function isForeign(fileName) {
  return /^(lib|schemas)\//.test(fileName)
}

function rank({ type, isEntry }) {
  return isEntry ? 2 : type === 'asset' ? 0 : 1
}

/** A file that has not changed stays. Nobody sees one that is only half written. */
async function write({ type, fileName, code, source }) {
  const path = join(OUTPUT, fileName)
  const content = type === 'asset' ? source : published(fileName, code)
  await mkdir(dirname(path), { recursive: true })
  if ((await readFile(path, 'utf8').catch(() => undefined)) === content) return
  await writeFile(`${path}.${process.pid}`, content)
  await rename(`${path}.${process.pid}`, path)
}

function published(fileName, code) {
  return inAscii(withoutImports(fileName, isForeign(fileName) ? minified(fileName, code) : code))
}

/** One other character makes V8 take two bytes for each of a file, and read it more slowly. */
function inAscii(code) {
  return code.replaceAll(/[^\x00-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Libraries import modules of Node.js, which are there already. */
function withoutImports(fileName, code) {
  if (fileName.startsWith(IMPORTING)) return code
  let changed = code.replaceAll(/\bimport\((["'`])(node:\w+)\1\)/g, "Promise.resolve(require('$2'))")
  // Code of a job in a file of its own, which nothing here has.
  if (fileName.startsWith('lib/bullmq')) changed = changed.replace(/(?<![.\w])import\((\w+)\)/, 'require($1)')
  if (/(?<![.\w])import\(/.test(changed)) throw new Error(`${fileName} imports a module, which ${IMPORTING}.ts does`)
  return changed
}

/**
 * Libraries have no blanks, no comments, and short names of variables, for V8 to read less. The names of
 * functions and classes stay: libraries compare them, and stack traces show them.
 */
function minified(fileName, code) {
  const mangle = { toplevel: true, keepNames: true }
  const result = minifySync(fileName, code, { compress: false, mangle, sourcemap: false })
  if (result.errors.length > 0) throw new Error(`${fileName}: ${result.errors[0].message}`)
  return result.code
}

async function removeAllBut(names) {
  const current = new Set(names)
  for (const entry of await readdir(OUTPUT, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath ?? entry.path, entry.name)
    const name = relative(OUTPUT, path)
    if (entry.isFile() && !current.has(name) && !name.startsWith(PAGE)) await rm(path)
  }
}
