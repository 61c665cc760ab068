/** Compiles the scanner in AssemblyScript, unless its module is newer than all it is made of. */
import { mkdir, readdir, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const sources = 'src/record/wasm/assembly'
const folder = 'build/src/record/wasm'
const output = join(folder, 'scanner.wasm')
const options = ['-O3', '--converge', '--noAssert', '--enable', 'simd', '--runtime', 'stub', '--use', 'abort=']

const inputs = (await readdir(sources)).map((name) => join(sources, name))
inputs.push(fileURLToPath(import.meta.url), 'node_modules/assemblyscript/package.json')
const times = await Promise.all(inputs.map(timeOf))
if ((await timeOf(output)) <= Math.max(...times)) await compile()

async function compile() {
  const { default: asc } = await import('assemblyscript/asc')
  await mkdir(folder, { recursive: true })
  // A module that is half written is never loaded.
  const fresh = `${output}.${process.pid}`
  const { error, stderr } = await asc.main([join(sources, 'index.ts'), '--outFile', fresh, ...options])
  if (error !== null) {
    console.error(stderr.toString())
    throw error
  }
  await rename(fresh, output)
}

/** When a file was changed last; 0 when there is none. */
async function timeOf(path) {
  try {
    return (await stat(path)).mtimeMs
  } catch (error) {
    if (error.code === 'ENOENT') return 0
    throw error
  }
}
