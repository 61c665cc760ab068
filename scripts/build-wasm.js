/**
 * Compiles `src/record/wasm/assembly/` to `build/dist/scanner.wasm`. Runs after tsc: it
 * first writes the numbers that the module shares with TypeScript, and takes them from the compiled
 * code. Skips the compilation if the module is newer than everything it is made of.
 */
import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { assemblyConstants } from '../build/src/record/wasm/shared-constants.js'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const sources = 'src/record/wasm/assembly'
const constants = 'build/assembly/constants.ts'
const output = 'build/dist/scanner.wasm'
const options = ['-O3', '--converge', '--noAssert', '--enable', 'simd', '--runtime', 'stub', '--use', 'abort=']

await writeIfChanged(constants, assemblyConstants())
const inputs = (await readdir(sources)).map((name) => join(sources, name))
inputs.push(constants, fileURLToPath(import.meta.url), 'node_modules/assemblyscript/package.json')
const times = await Promise.all(inputs.map(timeOf))
if ((await timeOf(output)) <= Math.max(...times)) await compile()

async function compile() {
  const { default: asc } = await import('assemblyscript/asc')
  await mkdir(dirname(output), { recursive: true })
  // Another process never loads a module that is only half written.
  const fresh = `${output}.${process.pid}`
  const { error, stderr } = await asc.main([join(sources, 'index.ts'), '--outFile', fresh, ...options])
  if (error !== null) {
    console.error(stderr.toString())
    throw error
  }
  await rename(fresh, output)
}

/** An unchanged file keeps its modification time. */
async function writeIfChanged(path, text) {
  if ((await readFile(path, 'utf8').catch(() => undefined)) === text) return
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, text)
}

/** Modification time of a file; 0 if it does not exist. */
async function timeOf(path) {
  try {
    return (await stat(path)).mtimeMs
  } catch (error) {
    if (error.code === 'ENOENT') return 0
    throw error
  }
}
