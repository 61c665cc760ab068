import { statSync } from 'node:fs'
import { SluiceError, systemCode } from '../errors.ts'
import { readSmallFile } from '../fields/small-file.ts'
import { say } from '../observe/output.ts'
import { readEnvLines } from './env-file.ts'
import type { Assignment } from './env-file.ts'
import { addEnvironmentSecrets } from '../observe/environment-secrets.ts'

/** Largest file in bytes. It holds keys and certificates, not data. */
const MAX_BYTES = 256 * 1024

/**
 * Sets the variables of environment files, but none that is set already. Without a choice, `.env` in
 * the working directory if it is there.
 * @param chosen of several files the last one that sets a variable counts; false for none
 * @throws SluiceError ENV_FILE_INVALID
 */
export function loadEnvironment(chosen: readonly string[] | false | undefined): void {
  const values = new Map<string, string>()
  for (const path of chosen === undefined ? present(['.env']) : chosen || []) {
    const assignments = readEnvironmentFile(path)
    if (assignments.some(({ value }) => value !== '')) warnOfRights(path)
    if (chosen === undefined) warnOfOptions(path, assignments)
    for (const { name, value } of assignments) values.set(name, value)
  }
  for (const [name, value] of values) process.env[name] ??= value
  addEnvironmentSecrets(process.env)
}

/** `.env` may be the folder of a virtual environment of Python. */
function present(paths: readonly string[]): readonly string[] {
  return paths.filter((path) => {
    try {
      return !statSync(path).isDirectory()
    } catch (error) {
      return systemCode(error) !== 'ENOENT'
    }
  })
}

function readEnvironmentFile(path: string): readonly Assignment[] {
  const { found, bad } = readEnvLines(readText(path))
  if (bad.length > 0) {
    const shown = bad.slice(0, MAX_SHOWN).map(({ line, message }) => `line ${line} ${message}`)
    const more = bad.length > MAX_SHOWN ? `; and ${bad.length - MAX_SHOWN} more` : ''
    throw invalid(`${path}: ${shown.join('; ')}${more}`, 'write NAME=value on each line; quote a value with # in it')
  }
  const lines = new Map<string, number>()
  for (const { name, line } of found) {
    const before = lines.get(name)
    if (before !== undefined) say(`warning: ${path}: line ${line} sets ${name} again, which line ${before} sets`)
    lines.set(name, line)
  }
  return found
}

const MAX_SHOWN = 5

function readText(path: string): string {
  let read: ReturnType<typeof readSmallFile>
  try {
    read = readSmallFile(path, MAX_BYTES)
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOENT') throw invalid(`the file ${path} of --env-file does not exist`, 'correct the path')
    throw invalid(`the file ${path} cannot be read (${code ?? String(error)})`, WITHOUT)
  }
  if ('refused' in read) throw invalid(`the file ${path} ${read.refused}`, WITHOUT)
  // Also what a byte that is not UTF-8 was read as.
  if (/[\0\uFFFD]/.test(read.text)) throw invalid(`the file ${path} is not text in UTF-8`, 'save it as UTF-8')
  return read.text
}

const WITHOUT = 'correct that, or leave .env out with --no-env-file'

function invalid(message: string, hint: string): SluiceError {
  return new SluiceError('ENV_FILE_INVALID', message, { hint })
}

function warnOfRights(path: string): void {
  const mode = statSync(path).mode & 0o777
  if (process.platform === 'win32' || (mode & 0o004) === 0) return
  say(`warning: other users of this machine can read ${path} (rights ${mode.toString(8)}): chmod 600 ${path}`)
}

/** Node.js reads these when it starts, before it reads `.env`. */
function warnOfOptions(path: string, assignments: readonly Assignment[]): void {
  for (const { name } of assignments)
    if (/^NODE_(OPTIONS|EXTRA_CA_CERTS)$/.test(name) && process.env[name] === undefined)
      say(`warning: ${name} in ${path} has no effect: Node.js reads it when it starts; set it outside of the file`)
}
