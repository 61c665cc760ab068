import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/** A value that a pipeline file takes from outside. */
interface Inserted {
  /** The name of the variable, or the path of the file, as it is written. */
  readonly name: string
  readonly value: string
}

/** The variables and files that a pipeline file names, and their values. Those that are not set are left out. */
export async function insertedIn(path: string, env: NodeJS.ProcessEnv = process.env): Promise<Inserted[]> {
  const text = await readFile(path, 'utf8')
  const found = new Map<string, string>()
  for (const [, name = ''] of text.matchAll(/\$\{env:(\w+)/g)) {
    const value = env[name]
    if (value !== undefined && value !== '') found.set(name, value)
  }
  for (const [, name = ''] of text.matchAll(/\$\{file:([^}]+)\}/g)) {
    const value = await readFile(resolve(dirname(path), name), 'utf8').catch(() => '')
    if (value !== '') found.set(name, value.replace(/\r?\n$/, ''))
  }
  return [...found].map(([name, value]) => ({ name, value }))
}
