/**
 * Runs the compiled tests: those of the parts by default, all with `--all`, or those at or below the
 * paths that are named, for example `node scripts/run-tests.js test/record test/cli/commands/run.test.ts`.
 * The caller builds first. Slow files come first, so that all cores are busy until the end.
 */
import { existsSync, readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'

/** Tests of the whole program: end to end, crashes, memory, the contracts of all components. */
const SYSTEM = 'test/system/'

/** The files that take longest, the slowest first. Only their order depends on it. */
const SLOWEST = [
  'test/system/crash/shard-points.test.ts',
  'test/system/crash/points.test.ts',
  'test/system/soak/soak.test.ts',
  'test/system/package.test.ts',
  'test/system/main-job.test.ts',
  'test/system/crash/signals.test.ts',
  'test/system/crash/faults.test.ts',
  'test/system/crash/disk-full.test.ts',
  'test/system/crash/kill.test.ts',
  'test/system/contracts/sources.test.ts',
  'test/system/contracts/sinks.test.ts',
  'test/system/crash/recovery.test.ts',
  'test/system/differential/differential.test.ts',
  'test/system/memory/backfill.test.ts',
  'test/system/crash/collector.test.ts',
  'test/system/crash/collection.test.ts',
  'test/system/crash/tenants.test.ts',
  'test/system/memory/http.test.ts',
  'test/system/jumpcloud-steps.test.ts',
  'test/system/contracts/broken-components.test.ts',
  'test/sources/jumpcloud.test.ts',
  'test/docs.test.ts',
  'test/deploy/alerts.test.ts',
  'test/observe/live/live-view.test.ts',
  'test/inspect/connect.test.ts',
  'test/sources/jumpcloud/repair.test.ts',
  'test/runtime/chunk-memory.test.ts',
  'test/observe/progress.test.ts',
  'test/record/wasm/scanner.test.ts',
  'test/cli/commands/rejects.test.ts',
  'test/transforms/validate/json-schema-suite.test.ts',
]

/** Every test file, as the path of its source. */
export function listTests() {
  const names = readdirSync('test', { recursive: true }).map((name) => join('test', name))
  return names.filter((name) => name.endsWith('.test.ts')).sort()
}

export function isOfSystem(file) {
  return file.startsWith(SYSTEM)
}

/** Runs test files, which are named by their sources. Sets the exit code. */
export function runTests(files) {
  const rank = (file) => (SLOWEST.includes(file) ? SLOWEST.indexOf(file) : SLOWEST.length)
  // Most tests are small: without this, hardly any would reach the WebAssembly scanner.
  process.env.SLUICE_SCANNER ??= 'wasm'
  // What commands compile stays in the checkout.
  process.env.XDG_CACHE_HOME ??= join(process.cwd(), 'build/cache')
  const compiled = files.toSorted((one, other) => rank(one) - rank(other)).map(compiledFile)
  // Many tests wait for processes, servers and deadlines: one more than there are cores.
  run({ files: compiled, concurrency: availableParallelism() + 1 })
    .on('test:fail', () => (process.exitCode = 1))
    .compose(spec)
    .pipe(process.stdout)
}

function compiledFile(file) {
  const compiled = join(process.cwd(), 'build', file.replace(/\.ts$/, '.js'))
  if (!existsSync(compiled)) throw new Error(`${compiled} does not exist: run npm run build`)
  return compiled
}

function chosenBy(args) {
  const tests = listTests()
  if (args.includes('--all')) return tests
  if (args.length === 0) return tests.filter((file) => !isOfSystem(file))
  return args.flatMap((path) => {
    const name = join(path).replace(/\/$/, '')
    const found = tests.filter((file) => file === name || file.startsWith(`${name}/`))
    if (found.length === 0) throw new Error(`no test file at or below ${path}`)
    return found
  })
}

if (process.argv[1] === import.meta.filename) runTests(chosenBy(process.argv.slice(2)))
