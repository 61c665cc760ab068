/**
 * How fast is custom code compared with JSON.parse, the same change, and JSON.stringify of the same
 * lines?
 *
 * `npm run build && node build/bench/custom.js [--megabytes 8] [--rounds 15]`
 *
 * Both sides take a Buffer of lines of about 512 KiB and return one. For Sluice this covers the
 * scan, the stage, and the lines for the sink. The sides take turns batch by batch, so that the
 * drift of the machine affects both. It reports CPU time of the process, as medians of the rounds.
 */
import { parseArgs } from 'node:util'
import tagPrivileged from '../transforms/tag-privileged.ts'
import type { TransformFunction } from '../src/component.ts'
import { openBatches } from '../src/record/open-batches.ts'
import { Paths } from '../src/record/paths/path.ts'
import { defaultLimits } from '../src/record/scan.ts'
import { runFunction } from '../src/runtime/custom-stage.ts'
import { createEventSet } from '../test/servers/events.ts'

interface Event {
  event_type?: string
  [key: string]: unknown
}

interface Case {
  readonly name: string
  readonly transform: (paths: Paths) => TransformFunction | Promise<TransformFunction>
  /** The same change on an object from JSON.parse. */
  readonly change: (event: Event) => Event
}

const PRIVILEGED = new Set<unknown>(['admin_create', 'admin_update', 'admin_delete', 'command_run'])
const BATCH_BYTES = 512 * 1024
const WARM_UP = 4
let memory = Buffer.alloc(0)

const cases: readonly Case[] = [
  {
    name: 'every record kept',
    transform: () => (record) => record,
    change: (event) => event,
  },
  {
    name: "record.set('x', true)",
    transform: () => (record) => record.set('x', true),
    change: (event) => {
      event['x'] = true
      return event
    },
  },
  {
    name: '{ ...record.value, x: true }',
    transform:
      () =>
      ({ value }) => ({ ...value, x: true }),
    change: (event) => ({ ...event, x: true }),
  },
  {
    name: "{ ...record.value, service: 'x' } (a member is replaced)",
    transform:
      () =>
      ({ value }) => ({ ...value, service: 'x' }),
    change: (event) => ({ ...event, service: 'x' }),
  },
  {
    name: 'tag-privileged.ts',
    transform: createTag,
    change: (event) => {
      if (PRIVILEGED.has(event.event_type)) event['privileged'] = true
      return event
    },
  },
]

const { values } = parseArgs({ options: { megabytes: { type: 'string' }, rounds: { type: 'string' } } })
const megabytes = Number(values.megabytes ?? 8)
const rounds = Number(values.rounds ?? 15)
for (const shape of ['one', 'mixed'] as const) {
  const batches = makeBatches(shape, megabytes * 1e6)
  for (const { name, transform, change } of cases) await compare(shape, batches, { name, transform, change })
}

async function compare(shape: string, batches: readonly Buffer[], { name, transform, change }: Case): Promise<void> {
  const paths = new Paths()
  const run = await transform(paths)
  const records = batches.reduce((sum, bytes) => sum + bytes.toString().split('\n').length - 1, 0)
  const times: { chain: number; sluice: number; stage: number }[] = []
  for (let round = -WARM_UP; round < rounds; round++) {
    const time = { chain: 0, sluice: 0, stage: 0 }
    for (const bytes of batches) {
      const sides = [
        () => {
          const start = cpu()
          const lines = changeObjects(bytes, change)
          time.chain += cpu() - start
          return lines
        },
        async () => {
          const start = cpu()
          const opened = openBatches({ bytes }, { partition: '', number: 0, paths, limits: defaultLimits })
          const scanned = cpu()
          const made = await Promise.all(
            opened.map((batch) => runFunction(batch, { transform: run }, { stage: 'bench' })),
          )
          let length = 0
          for (const batch of made.flat()) length += batch.assemble(undefined, (room) => output(length, room)).length
          time.sluice += cpu() - start
          time.stage += cpu() - scanned
          return Buffer.from(memory.subarray(0, length))
        },
      ]
      // Alternate the order: the second side pays for the garbage of the first.
      if (round % 2 === 0) sides.reverse()
      const outputs = [await sides[0](), await sides[1]()]
      if (round === -WARM_UP) assertSame(outputs)
    }
    if (round >= 0) times.push(time)
  }
  const each = (side: 'chain' | 'sluice' | 'stage') =>
    `${((median(times.map((time) => time[side])) * 1000) / records).toFixed(0)} ns`
  const ratio = (side: 'sluice' | 'stage') => median(times.map((time) => time[side] / time.chain)).toFixed(2)
  process.stdout.write(
    `${process.version} ${shape} ${name}: parse and stringify ${each('chain')}, sluice ${each('sluice')}, ` +
      `ratio ${ratio('sluice')} (stage and output alone ${each('stage')}, ratio ${ratio('stage')})\n`,
  )
}

/**
 * Memory for lines, after those already written. It is reused for each batch, like that of a sink.
 */
function output(from: number, room: number): Buffer {
  if (memory.length < from + room) memory = Buffer.concat([memory.subarray(0, from)], 2 * (from + room))
  return memory.subarray(from)
}

function changeObjects(bytes: Buffer, change: Case['change']): Buffer {
  const lines = bytes.toString().split('\n')
  lines.pop()
  let text = ''
  for (const line of lines) text += `${JSON.stringify(change(parse(line)))}\n`
  return Buffer.from(text)
}

/** The bytes may differ (whitespace, spelling of numbers), but the values must be equal. */
function assertSame(outputs: readonly Buffer[]): void {
  const texts = outputs.map((lines) => changeObjects(lines, (event) => event).toString())
  if (texts[0] !== texts[1]) throw new Error('the two disagree')
}

async function createTag(paths: Paths): Promise<TransformFunction> {
  const context = { pipeline: 'p', stage: 'tag', folder: '/', paths, path: (text: string) => paths.add(text) }
  const transform = await tagPrivileged.create(
    { eventTypes: [...PRIVILEGED].map(String), member: 'privileged' },
    context,
  )
  if (typeof transform !== 'function') throw new Error('tag-privileged is not a function')
  return transform
}

function makeBatches(shape: 'one' | 'mixed', size: number): Buffer[] {
  const events = createEventSet({ seed: 5, count: 1e6, start: 1.7e12, end: 1.71e12, shape })
  const batches: Buffer[] = []
  let at = 0
  for (let bytes = 0; bytes < size; bytes += BATCH_BYTES) {
    const lines: string[] = []
    for (let length = 0; length < BATCH_BYTES; length += lines[lines.length - 1].length)
      lines.push(`${events.text(at++)}\n`)
    batches.push(Buffer.from(lines.join('')))
  }
  return batches
}

function parse(line: string): Event {
  const event: Event = JSON.parse(line)
  return event
}

/** Microseconds. */
function cpu(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]
}
