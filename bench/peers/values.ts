import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'

/** A digest of each record's value by its id: equal for equal JSON values, however they are written. */
export type Values = Map<string, string>

interface Event {
  readonly [name: string]: unknown
}

/** What the job must make of an input. */
export async function expectedOf(input: string): Promise<Values> {
  const values: Values = new Map()
  for await (const event of eventsIn(createReadStream(input))) {
    const { id, timestamp } = event
    if (typeof id !== 'string' || id === '' || typeof timestamp !== 'string' || values.has(id)) continue
    const masked = mask(mask(event, 'client_ip'), 'username')
    const changes = Object.entries({ initiated_by: 'username', system: 'hostname' }).flatMap(([name, member]) => {
      const holder = masked[name]
      return isEvent(holder) ? [[name, mask(holder, member)] as const] : []
    })
    values.set(id, digestOf({ ...masked, ...Object.fromEntries(changes) }))
  }
  return values
}

/** How the records of some files or objects differ from what is expected. `same` if they do not. */
export async function differences(expected: Values, outputs: AsyncIterable<Readable>): Promise<string> {
  const seen = new Set<string>()
  let [changed, extra, twice] = [0, 0, 0]
  for await (const output of outputs) {
    for await (const event of eventsIn(output)) {
      const id = String(event['id'])
      if (seen.has(id)) twice++
      else if (!expected.has(id)) extra++
      else if (expected.get(id) !== digestOf(event)) changed++
      seen.add(id)
    }
  }
  const missing = [...expected.keys()].filter((id) => !seen.has(id)).length
  const found = Object.entries({ missing, changed, extra, twice }).filter(([, count]) => count > 0)
  return found.length === 0 ? 'same' : found.map(([name, count]) => `${count} ${name}`).join(', ')
}

/** The files below a folder, decompressed; not those in folders that begin with a dot. */
export async function* filesBelow(folder: string): AsyncGenerator<Readable> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.name.startsWith('.')) continue
    if (entry.isDirectory()) yield* filesBelow(path)
    else if (entry.name.endsWith('.gz')) yield createReadStream(path).pipe(createGunzip())
    else yield createReadStream(path)
  }
}

/** Bytes of the files below a folder; not of those in folders that begin with a dot. */
export async function bytesBelow(folder: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (!entry.name.startsWith('.')) bytes += entry.isDirectory() ? await bytesBelow(path) : (await stat(path)).size
  }
  return bytes
}

/** Number of records in some outputs. */
export async function countIn(outputs: AsyncIterable<Readable>): Promise<number> {
  let count = 0
  for await (const output of outputs) for await (const _event of eventsIn(output)) count++
  return count
}

async function* eventsIn(bytes: Readable): AsyncGenerator<Event> {
  for await (const line of createInterface({ input: bytes, crlfDelay: Infinity })) {
    const event: unknown = JSON.parse(line)
    if (isEvent(event)) yield event
  }
}

function mask(event: Event, name: string): Event {
  return name in event ? { ...event, [name]: '[redacted]' } : event
}

function isEvent(value: unknown): value is Event {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function digestOf(value: unknown): string {
  const canonical = JSON.stringify(value, (_name, member: unknown) =>
    isEvent(member) ? Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1))) : member,
  )
  return createHash('sha1').update(canonical).digest('base64')
}
