/**
 * The object chain to compare with, as a competent engineer would write it: batched reads, JSON.parse, ajv, edits, a Set of ids, JSON.stringify, batched
 * writes; no stream hop per record. `node build/bench/object-chain.js INPUT OUTPUT` prints one JSON line.
 */
import { createReadStream, createWriteStream, readFileSync, statSync } from 'node:fs'
import { once } from 'node:events'
import { finished } from 'node:stream/promises'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'

interface Event {
  id: string
  client_ip?: string
  username?: string
  initiated_by?: { username?: string }
  system?: { hostname?: string }
}

const [input, output] = process.argv.slice(2)
const ajv = new Ajv2020({ allErrors: false })
addFormats.default(ajv)
const validate = ajv.compile<Event>(JSON.parse(readFileSync('schemas/jumpcloud-event.schema.json', 'utf8')))

const started = performance.now()
const out = createWriteStream(output, { highWaterMark: 1 << 20 })
const seen = new Set<string>()
let rest: Buffer = Buffer.alloc(0)
let read = 0
for await (const chunk of createReadStream(input, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
  const cut = chunk.lastIndexOf(10)
  if (cut < 0) {
    rest = Buffer.concat([rest, chunk])
    continue
  }
  const text =
    rest.length > 0 ? Buffer.concat([rest, chunk.subarray(0, cut)]).toString() : chunk.toString('utf8', 0, cut)
  rest = Buffer.from(chunk.subarray(cut + 1))
  if (!out.write(transform(text.split('\n')))) await once(out, 'drain')
}
out.end()
await finished(out)
const seconds = (performance.now() - started) / 1000
const bytes = statSync(input).size
process.stdout.write(
  `${JSON.stringify({ seconds, read, written: seen.size, megabytesPerSecond: bytes / 1e6 / seconds })}\n`,
)

function transform(lines: string[]): string {
  let text = ''
  for (const line of lines) {
    read++
    let event: unknown
    try {
      event = JSON.parse(line)
    } catch {
      continue
    }
    if (!validate(event)) continue
    if (event.client_ip !== undefined) event.client_ip = '[redacted]'
    if (event.username !== undefined) event.username = '[redacted]'
    if (event.initiated_by?.username !== undefined) event.initiated_by.username = '[redacted]'
    if (event.system?.hostname !== undefined) event.system.hostname = '[redacted]'
    if (seen.has(event.id)) continue
    seen.add(event.id)
    text += `${JSON.stringify(event)}\n`
  }
  return text
}
