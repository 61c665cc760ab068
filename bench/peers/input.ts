import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createEventSet } from '../../test/servers/events.ts'

/**
 * Writes about this many megabytes of JumpCloud events of all services as NDJSON. One in 50 repeats
 * an earlier one, one in 1,000 has no id. Returns the number of lines.
 */
export async function writeInput(path: string, megabytes: number): Promise<number> {
  const start = Date.UTC(2026, 0, 1)
  const set = { seed: 5, start, end: start + 86_400_000, shape: 'mixed' } as const
  const sample = createEventSet({ ...set, count: SAMPLE })
  let bytes = 0
  for (let at = 0; at < SAMPLE; at++) bytes += sample.text(at).length + 1
  const count = Math.max(1, Math.round((megabytes * 1e6 * SAMPLE) / bytes))
  const events = createEventSet({ ...set, count, duplicates: 0.02 })
  function* lines(): Generator<string> {
    let block = ''
    for (let at = 0; at < count; at++) {
      block += `${at % 1000 === 999 ? withoutId(events.text(at)) : events.text(at)}\n`
      if (block.length < 1 << 20) continue
      yield block
      block = ''
    }
    yield block
  }
  await pipeline(Readable.from(lines()), createWriteStream(path))
  return count
}

const SAMPLE = 2000

function withoutId(text: string): string {
  const { id: _id, ...event }: { id?: unknown } = JSON.parse(text)
  return JSON.stringify(event)
}
