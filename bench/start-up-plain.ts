/**
 * What a small run costs at least: the script that one would write for it with ajv. Parses and
 * validates each line, masks one member and drops another, keeps the first record of each id, writes a
 * file and syncs it. `node build/bench/start-up-plain.js INPUT OUTPUT`
 */
import { open, readFile } from 'node:fs/promises'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'

interface Event {
  id: string
  initiated_by?: { email?: unknown }
  geoip?: { latitude?: unknown }
}

const [, , input = '', output = ''] = process.argv
const ajv = new Ajv2020({ strict: false })
addFormats.default(ajv)
const isEvent = ajv.compile<Event>(JSON.parse(await readFile('schemas/jumpcloud-event.schema.json', 'utf8')))
const seen = new Set<string>()
let text = ''
for (const line of (await readFile(input, 'utf8')).split('\n')) {
  if (line === '') continue
  const event: unknown = JSON.parse(line)
  if (!isEvent(event) || seen.has(event.id)) continue
  seen.add(event.id)
  if (event.initiated_by?.email !== undefined) event.initiated_by.email = '[redacted]'
  delete event.geoip?.latitude
  text += `${JSON.stringify(event)}\n`
}
const file = await open(output, 'w')
await file.writeFile(text)
await file.sync()
await file.close()
