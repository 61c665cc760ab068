import fs from 'node:fs'
import { open } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { fileURLToPath } from 'node:url'

/*
 * Preloaded into a process: it kills itself before one of its operations that change files, or
 * prints how many there were. Transactions of the database are not counted: they are atomic, and lie
 * between two such operations.
 */

const killAt = Number(process.env['KILL_AT'] ?? Infinity)
let operations = 0

/** Replaces methods by ones that count. */
function count(target: object, names: readonly string[]): void {
  for (const name of names) {
    const operation: unknown = Reflect.get(target, name)
    if (typeof operation !== 'function') throw new TypeError(`${name} is not a method`)
    Reflect.set(target, name, function (this: unknown, ...args: unknown[]): unknown {
      if (++operations === killAt) process.kill(process.pid, 'SIGKILL')
      return Reflect.apply(operation, this, args)
    })
  }
}

const handle = await open(fileURLToPath(import.meta.url), 'r')
count(Object.getPrototypeOf(handle), ['write', 'sync', 'datasync', 'truncate'])
await handle.close()
count(fs.promises, ['rename', 'unlink', 'rm', 'mkdir', 'chmod'])
count(fs, ['renameSync', 'rmSync', 'mkdtempSync'])
syncBuiltinESMExports()
process.on('exit', () => process.stderr.write(`operations: ${operations}\n`))
