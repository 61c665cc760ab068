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
import { licensesOf } from './licenses.js'

const LIBRARY = /node_modules/
const OUTPUT = 'build/dist'
/** Validators of our own configuration, see compile-schemas.js. */
const SCHEMAS = 'build/schemas'
/** lmdb has a binary for each platform, jiti a compiler that it loads when it needs one. */
const OUTSIDE = ['lmdb', 'jiti']
/** Made by other steps of the build. */
const OTHERS = ['scanner.wasm']

const schemas = (await readdir(SCHEMAS)).map((name) => [`schemas/${parse(name).name}`, join(SCHEMAS, name)])

const bundle = await rolldown({
  input: {
    ...Object.fromEntries(schemas),
    main: 'src/cli/main.ts',
    index: 'src/index.ts',
    testing: 'src/testing/index.ts',
  },
  platform: 'node',
  external: OUTSIDE,
  tsconfig: 'tsconfig.json',
})
const { output } = await bundle.generate({
  dir: OUTPUT,
  format: 'esm',
  sourcemap: true,
  codeSplitting: { groups: [{ name: 'library', test: LIBRARY, entriesAware: true }] },
  chunkFileNames: ({ moduleIds }) =>
    isOfLibraries(moduleIds) ? `lib/${mainPackage(moduleIds)}-[hash].js` : '[name]-[hash].js',
})
const files = output.filter(({ fileName }) => !(isForeign(fileName) && fileName.endsWith('.map')))
// Chunks before those that import them, and entries last: a process that starts meanwhile finds all.
const licenses = await licensesOf(output.flatMap(({ moduleIds = [] }) => moduleIds.filter((id) => LIBRARY.test(id))))
files.push({ type: 'asset', fileName: 'lib/LICENSES.txt', source: licenses })
for (const file of files.toSorted((one, other) => rank(one) - rank(other))) await write(file)
await removeAllBut([...files.map(({ fileName }) => fileName), ...OTHERS])

function isOfLibraries(ids) {
  return ids.length > 0 && ids.every((id) => LIBRARY.test(id))
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

/** Code that nobody reads in a stack trace. */
function isForeign(fileName) {
  return /^(lib|schemas)\//.test(fileName)
}

function rank({ type, isEntry }) {
  return type === 'asset' ? 0 : isEntry ? 2 : 1
}

/** A file that has not changed stays. Nobody sees one that is only half written. */
async function write({ type, fileName, code, source }) {
  const path = join(OUTPUT, fileName)
  const content =
    type === 'asset' ? source : isForeign(fileName) ? code.replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n') : code
  await mkdir(dirname(path), { recursive: true })
  if ((await readFile(path, 'utf8').catch(() => undefined)) === content) return
  await writeFile(`${path}.${process.pid}`, content)
  await rename(`${path}.${process.pid}`, path)
}

async function removeAllBut(names) {
  const current = new Set(names)
  for (const entry of await readdir(OUTPUT, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath ?? entry.path, entry.name)
    if (entry.isFile() && !current.has(relative(OUTPUT, path))) await rm(path)
  }
}
