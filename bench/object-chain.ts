/**
 * The object chain for comparison, as a competent engineer would write it: batched reads,
 * JSON.parse, ajv, edits, a Set of ids, JSON.stringify, batched writes; no stream hop per record.
 * `node build/bench/object-chain.js INPUT [OUTPUT] [--secrets] [--shape] [--where] [--compute]` prints
 * one JSON line. Without an output file it produces the bytes and discards them. `--shape` sets, renames
 * and removes members in place of all other steps, `--where` keeps some records, and `--compute` computes
 * a member of two others.
 */
import { createReadStream, createWriteStream, readFileSync, statSync } from 'node:fs'
import { once } from 'node:events'
import { finished } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'

interface Event {
  id: string
  client_ip?: unknown
  username?: unknown
  initiated_by?: { username?: unknown }
  system?: { hostname?: unknown }
  changes?: { field?: unknown; from?: unknown; to?: unknown }[]
  command?: { payload?: unknown }
}

const { values, positionals } = parseArgs({
  options: {
    secrets: { type: 'boolean' },
    shape: { type: 'boolean' },
    where: { type: 'boolean' },
    compute: { type: 'boolean' },
  },
  allowPositionals: true,
})
const [input, output] = positionals
const MASK = '[redacted]'
const SECRET_NAME =
  /pass(word|phrase|code)|secret|token|private_?key|ssh_?key|api_?key|credential|totp|otp|recovery|fde/i
const PERSONAL_NAME = /phone|address/i
/** A cache, because testing the name of a key every time is slower. */
const secretNames = new Map<string, boolean>()

const started = performance.now()
const ajv = new Ajv2020({ allErrors: false })
addFormats.default(ajv)
const validate = ajv.compile<Event>(JSON.parse(readFileSync('schemas/jumpcloud-event.schema.json', 'utf8')))
const step =
  values.shape === true ? shape : values.where === true ? where : values.compute === true ? compute : transform
const out = output === undefined ? undefined : createWriteStream(output, { highWaterMark: 1 << 20 })
const seen = new Set<string>()
let rest: Buffer = Buffer.alloc(0)
let read = 0
let bytesOut = 0
let shaped = 0
for await (const chunk of createReadStream(input, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
  const cut = chunk.lastIndexOf(10)
  if (cut < 0) {
    rest = Buffer.concat([rest, chunk])
    continue
  }
  const text =
    rest.length > 0 ? Buffer.concat([rest, chunk.subarray(0, cut)]).toString() : chunk.toString('utf8', 0, cut)
  rest = Buffer.from(chunk.subarray(cut + 1))
  const bytes = Buffer.from(step(text.split('\n')))
  bytesOut += bytes.length
  if (out?.write(bytes) === false) await once(out, 'drain')
}
if (out !== undefined) {
  out.end()
  await finished(out)
}
const seconds = (performance.now() - started) / 1000
const megabytesPerSecond = statSync(input).size / 1e6 / seconds
process.stdout.write(
  `${JSON.stringify({ seconds, read, written: seen.size + shaped, bytesOut, megabytesPerSecond })}\n`,
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
    if (seen.has(event.id)) continue
    seen.add(event.id)
    if (values.secrets === true) redactSecrets(event)
    if (event.client_ip !== undefined) event.client_ip = MASK
    if (event.username !== undefined) event.username = MASK
    if (event.initiated_by?.username !== undefined) event.initiated_by.username = MASK
    if (event.system?.hostname !== undefined) event.system.hostname = MASK
    text += `${JSON.stringify(event)}\n`
  }
  return text
}

function shape(lines: string[]): string {
  return withEvents(lines, (event) => {
    event['team'] = 'security'
    const { service, event_type: type } = event
    if (typeof service === 'string' && typeof type === 'string') event['kind'] = `${service}-${type}`
    move(event, 'client_ip', 'source_ip')
    move(event, '@version', 'version')
    delete event['geoip']
    delete event['useragent']
    return true
  })
}

function where(lines: string[]): string {
  return withEvents(lines, ({ service, success }) => service === 'directory' && (success ?? true) === true)
}

function compute(lines: string[]): string {
  return withEvents(lines, (event) => {
    const { service, event_type: type } = event
    if (typeof service === 'string' && typeof type === 'string') event['kind'] = `${service}-${type.toLowerCase()}`
    return true
  })
}

function withEvents(lines: string[], keep: (event: { [key: string]: unknown }) => boolean): string {
  let text = ''
  for (const line of lines) {
    read++
    let event: { [key: string]: unknown }
    try {
      event = JSON.parse(line)
    } catch {
      continue
    }
    if (!keep(event)) continue
    shaped++
    text += `${JSON.stringify(event)}\n`
  }
  return text
}

function move(event: { [key: string]: unknown }, from: string, to: string): void {
  if (event[from] === undefined) return
  event[to] = event[from]
  delete event[from]
}

function redactSecrets(event: Event): void {
  hideSecrets(event)
  if (event.command?.payload !== undefined) event.command.payload = MASK
  if (!Array.isArray(event.changes)) return
  for (const change of event.changes) {
    if (typeof change?.field !== 'string' || !(isSecretName(change.field) || PERSONAL_NAME.test(change.field))) continue
    if (change.from !== undefined) change.from = MASK
    if (change.to !== undefined) change.to = MASK
  }
}

function hideSecrets(value: object): void {
  if (Array.isArray(value)) {
    for (const element of value) if (typeof element === 'object' && element !== null) hideSecrets(element)
  } else if (isMembers(value)) {
    // Objects from JSON.parse have only own members.
    for (const key in value) {
      const member = value[key]
      if (isSecretName(key) && isSecret(member)) value[key] = MASK
      else if (typeof member === 'object' && member !== null) hideSecrets(member)
    }
  }
}

function isMembers(value: object): value is { [key: string]: unknown } {
  return !Array.isArray(value)
}

function isSecretName(name: string): boolean {
  let secret = secretNames.get(name)
  if (secret === undefined) {
    secret = SECRET_NAME.test(name)
    if (secretNames.size < 4096) secretNames.set(name, secret)
  }
  return secret
}

/** Booleans, numbers and objects of booleans under such a name are not secrets. */
function isSecret(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return typeof value === 'string'
  return Array.isArray(value) || Object.values(value).some(holdsMore)
}

function holdsMore(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return isSecret(value)
  return typeof value === 'string' || typeof value === 'number'
}
