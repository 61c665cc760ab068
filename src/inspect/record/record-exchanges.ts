import { Readable } from 'node:stream'
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib'
import { SluiceError } from '../../errors.ts'
import type { Exchange, ExchangeLayer } from '../../network/exchange.ts'
import { parseBody } from '../whole/match-request.ts'
import type { SeenRequest } from '../whole/match-request.ts'

/** A request that was sent, and its response. */
export interface Recorded {
  readonly request: SeenRequest
  readonly status: number
  readonly headers: { readonly [name: string]: string | readonly string[] }
  /** Decompressed. */
  readonly body: string
}

interface Recorder {
  readonly layer: ExchangeLayer
  readonly exchanges: readonly Recorded[]
}

/**
 * Passes requests on and keeps what it sees. The request after the last one is not sent.
 * @param full Called for that request.
 */
export function recordExchanges(most: number, full: () => void): Recorder {
  const exchanges: Recorded[] = []
  let begun = 0
  const layer =
    (send: Exchange): Exchange =>
    async (request) => {
      if (begun >= most) {
        full()
        // The run ends, and nobody waits for this any more.
        return new Promise((_resolve, reject) => {
          // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- reasons are errors
          request.signal.addEventListener('abort', () => reject(request.signal.reason), { once: true })
        })
      }
      const at = begun++
      const { statusCode, headers, body } = await send(request)
      const bytes = await readAll(body)
      exchanges[at] = {
        request: seen(request),
        status: statusCode,
        headers: Object.fromEntries(Object.entries(headers).filter(isPresent)),
        body: inflated(bytes, headers['content-encoding']),
      }
      return { statusCode, headers, body: Readable.from([bytes]) }
    }
  return {
    layer,
    // A request that failed has no response.
    get exchanges() {
      return exchanges.filter((one) => one !== undefined)
    },
  }
}

async function readAll(body: Readable): Promise<Buffer> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of body) {
    parts.push(Buffer.from(part))
    length += parts.at(-1)?.length ?? 0
    if (length > LARGEST)
      throw new SluiceError(
        'UNSUPPORTED',
        `a response has more than ${LARGEST >> 20} MiB, which is too much for a test`,
        {
          hint: 'ask for smaller pages: --set source.request.query.limit=10, or the option of the source',
        },
      )
  }
  return Buffer.concat(parts)
}

/** Bytes. A recording is read by people, and kept in version control. */
const LARGEST = 8 << 20

function seen({ origin, path, method, headers, body }: Parameters<Exchange>[0]): SeenRequest {
  const { pathname, searchParams, host } = new URL(path, origin)
  return {
    method,
    host,
    path: pathname,
    query: searchParams,
    headers,
    body: parseBody(body ?? '', headers['content-type']),
  }
}

function isPresent(entry: [string, string | string[] | undefined]): entry is [string, string | string[]] {
  return entry[1] !== undefined
}

function inflated(bytes: Buffer, encoding: string | string[] | undefined): string {
  if (encoding === 'gzip' || encoding === 'x-gzip') return gunzipSync(bytes).toString()
  if (encoding === 'br') return brotliDecompressSync(bytes).toString()
  if (encoding === 'deflate') return inflateSync(bytes).toString()
  return bytes.toString()
}
