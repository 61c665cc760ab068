import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'

/** The lines of all objects below a folder, sorted. */
export async function recordsIn(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => [])
  const objects = names.filter((name) => /\.ndjson(\.gz)?$/.test(name))
  const texts = await Promise.all(
    objects.map(async (name) => {
      const bytes = await readFile(join(folder, name))
      return (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString()
    }),
  )
  return texts.join('').split('\n').filter(Boolean).toSorted()
}
