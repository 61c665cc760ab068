import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { Answer } from '../call.ts'
import { contentSize, readContent } from '../content.ts'
import type { Fault } from '../faults.ts'

export interface SendOptions {
  readonly fault: Fault | undefined
  /** For a HEAD request: headers as for a GET, no body. */
  readonly headOnly: boolean
}

/** Sends the response, changed by the fault. Returns when the client has it or has disconnected. */
export async function sendAnswer(response: ServerResponse, answer: Answer, options: SendOptions): Promise<void> {
  const { status = 200, headers, xml, content } = answer
  const { fault } = options
  const whole = xml === undefined ? contentSize(content ?? []) : Buffer.byteLength(xml)
  const size = fault?.kind === 'resize' ? whole + fault.bytes : whole
  const hasBody = status !== 204 && status !== 304
  response.writeHead(status, {
    'x-amz-request-id': randomUUID(),
    ...(hasBody && { 'content-length': size }),
    ...(xml !== undefined && { 'content-type': 'application/xml' }),
    ...headers,
  })
  if (options.headOnly || !hasBody) {
    response.end()
    return
  }
  const full = xml === undefined ? readContent(content ?? []) : [Buffer.from(xml)]
  const bytes = fault?.kind === 'resize' ? resized(full, size) : full
  await sendBody(response, fault?.kind === 'slow' ? paced(bytes, fault.bytesPerSecond) : bytes, {
    cutAt: cutPosition(fault, size),
  })
}

/** A reset in a request body has happened earlier, so a reset here is in the response body. */
function cutPosition(fault: Fault | undefined, size: number): number {
  return fault?.kind === 'reset' && fault.at === 'body' ? Math.min(fault.afterBytes ?? size / 2, size) : Infinity
}

async function sendBody(
  response: ServerResponse,
  bytes: Iterable<Buffer> | AsyncIterable<Buffer>,
  { cutAt }: { readonly cutAt: number },
): Promise<void> {
  let sent = 0
  for await (const chunk of bytes) {
    if (response.destroyed) return
    if (sent + chunk.length >= cutAt) {
      response.write(chunk.subarray(0, cutAt - sent), () => response.destroy())
      return
    }
    sent += chunk.length
    if (!response.write(chunk)) await writable(response)
  }
  response.end()
}

async function* resized(bytes: Iterable<Buffer> | AsyncIterable<Buffer>, size: number): AsyncGenerator<Buffer> {
  let left = size
  for await (const chunk of bytes) {
    yield chunk.subarray(0, left)
    left -= Math.min(left, chunk.length)
    if (left === 0) return
  }
  yield Buffer.alloc(left)
}

/** Sends ten times a second. */
async function* paced(bytes: Iterable<Buffer> | AsyncIterable<Buffer>, bytesPerSecond: number): AsyncGenerator<Buffer> {
  const step = Math.max(1, Math.floor(bytesPerSecond / 10))
  for await (const chunk of bytes) {
    for (let start = 0; start < chunk.length; start += step) {
      const piece = chunk.subarray(start, start + step)
      await delay((piece.length / bytesPerSecond) * 1000)
      yield piece
    }
  }
}

async function writable(response: ServerResponse): Promise<void> {
  if (response.destroyed) return
  await new Promise<void>((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.once('drain', done).once('close', done)
  })
}
