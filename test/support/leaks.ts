import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * The names of secrets that a text or some bytes contain: as they are, percent-encoded, escaped as
 * in JSON, in hex, or in base64, also as a part of more. Shares no code with what hides them.
 */
export function leaksIn(content: string | Buffer, secrets: { readonly [name: string]: string }): string[] {
  const text = Buffer.isBuffer(content) ? content.toString('latin1') : Buffer.from(content).toString('latin1')
  const lower = text.toLowerCase()
  return Object.entries(secrets).flatMap(([name, secret]) => {
    const found = needlesOf(secret).find((needle) => lower.includes(needle.toLowerCase()))
    return found === undefined ? [] : [`${name} as ${found}`]
  })
}

function needlesOf(secret: string): string[] {
  const bytes = Buffer.from(secret)
  const base64 = [0, 1, 2].map((before) => {
    const whole = Buffer.concat([Buffer.alloc(before), bytes, Buffer.alloc(3)]).toString('base64')
    return whole.slice(before + 1, whole.length - 6)
  })
  return [
    bytes.toString('latin1'),
    encodeURIComponent(secret),
    new URLSearchParams({ '': secret }).toString().slice(1),
    JSON.stringify(secret).slice(1, -1),
    bytes.toString('hex'),
    ...base64,
    ...base64.map((needle) => needle.replaceAll('+', '-').replaceAll('/', '_')),
  ]
}

/** All files below a folder, with their bytes. */
export async function filesBelow(folder: string): Promise<Map<string, Buffer>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = new Map<string, Buffer>()
  for (const entry of entries.filter((one) => one.isFile())) {
    const path = join(entry.parentPath, entry.name)
    files.set(path, await readFile(path))
  }
  return files
}
