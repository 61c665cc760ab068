import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { generatedFiles, PAGES } from './generated-files.ts'

/**
 * Writes the generated files below the working directory. With `--check`, fails if one of them is
 * stale.
 */
const check = process.argv.includes('--check')
const files = await generatedFiles()
const stale: string[] = []
for (const [path, content] of files) {
  if ((await readOr(path)) === content) continue
  stale.push(path)
  if (check) continue
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, content)
}
for (const path of await pages()) {
  if (files.has(path)) continue
  stale.push(path)
  if (!check) await rm(path)
}
for (const path of stale) process.stderr.write(`${check ? 'stale' : 'written'}: ${path}\n`)
if (check && stale.length > 0) {
  process.stderr.write('run npm run generated\n')
  process.exitCode = 1
}

async function readOr(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined)
}

async function pages(): Promise<string[]> {
  const names = await readdir(PAGES).catch(() => [])
  return names.map((name) => `${PAGES}/${name}`)
}
