import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { decompress } from '../compression/compress.ts'
import type { HistoryRow, ObjectRow } from '../delivery/state/rows.ts'
import { SluiceError, systemCode } from '../errors.ts'
import { plural } from '../observe/report.ts'

/** What an object should be. */
export type Expected = Pick<HistoryRow, 'records' | 'bytes' | 'sha256' | 'compression'>

/** How the content of an object differs from what was committed. */
export interface ContentProblem {
  readonly kind: 'missing' | 'altered' | 'unreadable'
  readonly message: string
  /** True if the store did not answer; the object itself may be right. */
  readonly isUnavailable?: boolean
}

/**
 * Reads an object and compares it with what was committed. A body that breaks off is read again.
 * Never throws: whatever goes wrong is a problem of this object.
 */
export async function checkContent(
  expected: Expected,
  open: () => Promise<AsyncIterable<Uint8Array> | undefined>,
): Promise<ContentProblem | undefined> {
  for (let attempt = 1; ; attempt++) {
    const { problem, isBrokenOff } = await readOnce(expected, open)
    if (!isBrokenOff || attempt === ATTEMPTS) return problem
    await delay(PAUSE)
  }
}

const ATTEMPTS = 3
/** Milliseconds. */
const PAUSE = 200

interface Reading {
  readonly problem: ContentProblem | undefined
  readonly isBrokenOff?: boolean
}

async function readOnce(
  { records, bytes, sha256, compression }: Expected,
  open: () => Promise<AsyncIterable<Uint8Array> | undefined>,
): Promise<Reading> {
  let body: AsyncIterable<Uint8Array> | undefined
  try {
    body = await open()
  } catch (error) {
    return { problem: unreadable(error) }
  }
  if (!body) return { problem: { kind: 'missing', message: `not found (${plural(records, 'record')})` } }
  const found = await measure(body, compression)
  if ('broken' in found) return { problem: unreadable(found.broken), isBrokenOff: true }
  // A connection that is closed too early may look like the end of the body.
  if (found.bytes < bytes) return { problem: differs('bytes', found.bytes, bytes), isBrokenOff: true }
  if (found.bytes !== bytes && found.hasEnded) return { problem: differs('bytes', found.bytes, bytes) }
  if ('damage' in found) {
    return { problem: { kind: 'altered', message: `cannot be decompressed: ${String(found.damage)}` } }
  }
  if (found.sha256 !== sha256) return { problem: altered(`has sha256 ${found.sha256} instead of ${sha256}`) }
  return { problem: found.records === records ? undefined : differs('records', found.records, records) }
}

function altered(message: string): ContentProblem {
  return { kind: 'altered', message }
}

function differs(what: string, found: number, expected: number): ContentProblem {
  return altered(`has ${found} ${what} instead of ${expected}`)
}

function unreadable(error: unknown): ContentProblem {
  if (error instanceof SluiceError)
    return { kind: 'unreadable', message: error.message, ...(error.retryable && { isUnavailable: true }) }
  return { kind: 'unreadable', message: `cannot be read: ${systemCode(error) ?? String(error)}` }
}

interface Measured {
  readonly bytes: number
  readonly sha256: string
  readonly records: number
  /** The body was read to its end. */
  readonly hasEnded: boolean
}

type Measurement = Measured | (Measured & { readonly damage: unknown }) | { readonly broken: unknown }

async function measure(body: AsyncIterable<Uint8Array>, compression: ObjectRow['compression']): Promise<Measurement> {
  const hash = createHash('sha256')
  let bytes = 0
  let records = 0
  let hasEnded = false
  let broken: { readonly error: unknown } | undefined
  const measured = async function* (): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of body) {
        hash.update(chunk)
        bytes += chunk.length
        yield chunk
      }
      hasEnded = true
    } catch (error) {
      broken = { error }
      throw error
    }
  }
  const result = () => ({ bytes, sha256: hash.digest('hex'), records, hasEnded })
  try {
    const text: AsyncIterable<Uint8Array> = decompress(Readable.from(measured()), compression)
    for await (const chunk of text) {
      for (let at = chunk.indexOf(LINE_FEED); at >= 0; at = chunk.indexOf(LINE_FEED, at + 1)) records++
    }
    return result()
  } catch (damage) {
    return broken ? { broken: broken.error } : { ...result(), damage }
  }
}

const LINE_FEED = 0x0a
