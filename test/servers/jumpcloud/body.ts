import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { createGzip, gzip } from 'node:zlib'
import { encodeChunks } from '../events/encode.ts'
import type { PageFault } from './faults.ts'

/** Sends `texts` as a JSON array, chunk by chunk, as fast as the client reads. */
export async function sendArray(response: ServerResponse, texts: Iterable<string>, compress: boolean): Promise<void> {
  const chunks = Readable.from(encodeChunks(arrayTexts(texts), CHUNK), { highWaterMark: 1 })
  if (!compress) return pipeline(chunks, response)
  response.setHeader('Content-Encoding', 'gzip')
  return pipeline(chunks, createGzip({ level: 1 }), response)
}

/** Sends the array with a fault. Holds the whole body in memory: faults are for small pages. */
export async function sendBrokenArray(
  response: ServerResponse,
  texts: Iterable<string>,
  fault: Exclude<PageFault, { kind: 'repeat-cursor' | 'no-cursor' }>,
  signal: AbortSignal,
): Promise<void> {
  const items = [...texts]
  const body = Buffer.from(`[${items.join(',')}]`)
  if (fault.kind === 'slow') return sendSlowly(response, body, fault.every ?? 1000, signal)
  if (fault.kind === 'reset-during') {
    response.write(body.subarray(0, body.length >> 1), () => response.socket?.resetAndDestroy())
    return
  }
  if (fault.kind === 'truncated-gzip') {
    const full = await compressed(body)
    response.setHeader('Content-Encoding', 'gzip')
    response.setHeader('Content-Length', full.length >> 1)
    response.end(full.subarray(0, full.length >> 1))
    return
  }
  const part = Buffer.from(`[${items.slice(0, items.length >> 1).join(',')}`)
  response.setHeader('Connection', 'close')
  if (!fault.contentLength) {
    response.removeHeader('Transfer-Encoding')
    response.removeHeader('Content-Length')
    response.end(part)
    return
  }
  response.setHeader('Content-Length', body.length)
  response.write(part, () => response.socket?.end())
}

const compressed = promisify(gzip)

const CHUNK = 256 * 1024

function* arrayTexts(items: Iterable<string>): Generator<string> {
  let before = '['
  for (const item of items) {
    yield before + item
    before = ','
  }
  yield before === '[' ? '[]' : ']'
}

async function sendSlowly(response: ServerResponse, body: Buffer, every: number, signal: AbortSignal): Promise<void> {
  response.setHeader('Content-Length', body.length)
  for (let at = 0; at < body.length && !response.destroyed; at++) {
    response.write(body.subarray(at, at + 1))
    await sleep(every, undefined, { signal })
  }
  response.end()
}
