import type { S3Client } from '@aws-sdk/client-s3'
import { SluiceError } from '../errors.ts'
import { clockAhead } from '../network/clock-ahead.ts'
import { s3Facts } from './errors.ts'
import type { S3Facts } from './errors.ts'
import type { StoreObserver } from './store-observer.ts'

/** The parts of a request and a response of the SDK that are observed. */
interface SentRequest {
  readonly protocol: string
  readonly hostname: string
  readonly port?: number | undefined
  readonly headers: Headers
}

interface Headers {
  readonly [name: string]: string | undefined
}

/** Observes each attempt of the requests that a client sends. */
export function observeClient(client: S3Client, observe: StoreObserver): void {
  client.middlewareStack.add(
    (next, { commandName = '' }) =>
      async (args) => {
        const { request } = args
        if (!isRequest(request)) return next(args)
        return observeAttempt(() => next(args), {
          request,
          operation: commandName.replace(/Command$/, ''),
          observe,
          statusOf: ({ output }) => output.$metadata.httpStatusCode,
        })
      },
    // Within the retries of the SDK, after the signature.
    { step: 'finalizeRequest', priority: 'low', name: 'observeRequests' },
  )
}

interface Attempt<Result> {
  readonly request: SentRequest
  readonly operation: string
  readonly observe: StoreObserver
  readonly statusOf: (result: Result) => number | undefined
}

/** Sends a request, and says what became of it. */
export async function observeAttempt<Result extends { readonly response: unknown }>(
  send: () => Promise<Result>,
  { request, operation, observe, statusOf }: Attempt<Result>,
): Promise<Result> {
  const started = performance.now()
  const say = (facts: Pick<S3Facts, 'status'> & Partial<S3Facts>, headers: Headers): void => {
    const { status, code } = facts
    observe({
      operation,
      origin: originOf(request),
      status,
      statusClass: status === undefined ? 'none' : `${Math.floor(status / 100)}xx`,
      code,
      bytesSent: lengthIn(request.headers, 'x-amz-decoded-content-length', 'content-length'),
      bytesReceived: lengthIn(headers, 'content-length'),
      milliseconds: performance.now() - started,
      isRetry: !/^attempt=1\b/.test(request.headers['amz-sdk-request'] ?? 'attempt=1'),
      clockAhead: clockAhead(headers, Date.now()),
    })
  }
  try {
    const result = await send()
    say({ status: statusOf(result) }, headersOf(result.response))
    return result
  } catch (error) {
    const response = typeof error === 'object' && error !== null && '$response' in error ? error.$response : undefined
    const { code, status } = s3Facts(error)
    const name = error instanceof SluiceError ? error.code : code
    say({ status, code: name === 'AbortError' ? 'aborted' : name }, headersOf(response))
    throw error
  }
}

function originOf({ protocol, hostname, port }: SentRequest): string {
  return `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}`
}

function lengthIn(headers: Headers, ...names: readonly string[]): number {
  const value = names.map((name) => headers[name]).find((text) => text !== undefined)
  return Number(value ?? 0) || 0
}

function headersOf(response: unknown): Headers {
  return isObject(response) && 'headers' in response && isHeaders(response.headers) ? response.headers : {}
}

function isRequest(request: unknown): request is SentRequest {
  return isObject(request) && 'hostname' in request && 'headers' in request
}

/** The SDK makes all of them texts. */
function isHeaders(headers: unknown): headers is Headers {
  return isObject(headers)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
