import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Source, SourceEvent } from '../../../src/component.ts'
import type { Chunk } from '../../../src/record/chunk.ts'
import { loadPipeline } from '../../../src/config/load.ts'
import type { Problem } from '../../../src/config/pipeline.ts'
import { SluiceError } from '../../../src/errors.ts'
import type { Json } from '../../../src/record/json/json.ts'
import { readOptions } from '../../support/read-options.ts'
import { listen } from '../../support/listen.ts'
import { createFolder } from '../../support/temporary-folder.ts'
import { noteTo } from '../../support/notes.ts'

export interface SourceConfig {
  readonly type: string
  readonly [key: string]: unknown
}

/** Creates a source from the configuration of a pipeline file. */
export async function openSource(config: SourceConfig): Promise<Source> {
  const { pipeline, problems } = await load(config)
  const errors = problems.filter(({ severity }) => severity === 'error')
  assert.deepEqual(errors, [])
  assert.ok(pipeline)
  const { declaration, config: checked, stage } = pipeline.source
  return declaration.create(checked, { pipeline: pipeline.name, stage, folder: pipeline.folder })
}

/** The errors that `check` reports for a source. */
export async function problemsOf(config: SourceConfig): Promise<readonly Problem[]> {
  return (await load(config)).problems.filter(({ severity }) => severity === 'error')
}

async function load(config: SourceConfig) {
  const { path: folder, remove } = await createFolder()
  try {
    const file = join(folder, 'events.yaml')
    await writeFile(file, JSON.stringify({ source: config, sink: { type: 'stdout' }, allowRepeats: true }, null, 1))
    return await loadPipeline(file, { root: folder, env: {}, mode: 'run' })
  } finally {
    await remove()
  }
}

interface Note {
  readonly message: string
  readonly facts: { readonly [name: string]: string | number | boolean }
}

export interface Reading {
  readonly chunks: Chunk[]
  readonly lines: string[]
  readonly notes: Note[]
  /** What the source has announced. */
  readonly events: SourceEvent[]
  /** The latest position of each source partition. */
  readonly positions: Map<string, Json>
  error: SluiceError | undefined
}

interface ReadingOptions {
  /** The positions of an earlier reading. */
  readonly positions?: ReadonlyMap<string, Json>
  readonly follow?: boolean
  readonly maxLine?: number
  /** Record path of the event time. */
  readonly time?: string | undefined
  /** Called for each chunk. `false` stops reading. */
  onChunk?(chunk: Chunk, reading: Reading): unknown
  /** Aborts reading. */
  readonly signal?: AbortSignal
}

/** Reads a source to its end, like a run. */
export async function readSource(source: Source, options: ReadingOptions = {}): Promise<Reading> {
  const { positions = new Map<string, Json>(), follow = false, maxLine, time, signal } = options
  const stop = new AbortController()
  signal?.addEventListener('abort', () => stop.abort())
  const reading: Reading = {
    chunks: [],
    lines: [],
    notes: [],
    events: [],
    positions: new Map(positions),
    error: undefined,
  }
  const chunks = source.read(
    readOptions({
      position: (partition = '') => positions.get(partition),
      signal: stop.signal,
      follow,
      ...(maxLine !== undefined && { maxLine }),
      ...(time !== undefined && { time }),
      note: noteTo(({ message, facts }) => reading.notes.push({ message, facts })),
      announce(event) {
        reading.events.push(event)
        // The runtime makes lines of the log of these.
        if (event.type === 'retry') {
          const { message: reason = '', attempt, attempts, wait: waitMs } = event
          reading.notes.push({ message: 'request failed, retrying', facts: { reason, attempt, attempts, waitMs } })
        } else if (event.type === 'wait') {
          reading.notes.push({ message: 'the rate limit of the API is reached', facts: { waitMs: event.wait } })
        }
      },
    }),
  )
  try {
    for await (const chunk of chunks) {
      reading.chunks.push(chunk)
      reading.lines.push(...linesOf(chunk))
      if (chunk.position !== undefined) reading.positions.set(chunk.partition ?? '', throughJson(chunk.position))
      if ((await options.onChunk?.(chunk, reading)) === false) stop.abort()
    }
  } catch (error) {
    assert.ok(error instanceof SluiceError, `not a SluiceError: ${String(error)}`)
    reading.error = error
  }
  return reading
}

export function linesOf({ bytes }: Chunk): string[] {
  return bytes === undefined || bytes.length === 0 ? [] : bytes.toString().replace(/\n$/, '').split('\n')
}

/** A round trip through JSON, as in the state. */
function throughJson(value: Json): Json {
  const copy: Json = JSON.parse(JSON.stringify(value))
  return copy
}

/** Unique ids in order of first appearance, like `dedup`. */
export function idsOf(lines: readonly string[]): unknown[] {
  const ids = lines.map((line) => {
    const record: { id: unknown } = JSON.parse(line)
    return record.id
  })
  return [...new Set(ids)]
}

/** Everything that a reading reveals, except for the records. */
export function wordsOf({ notes, error, positions, chunks }: Reading): string {
  const origins = chunks.map(({ origin, partition }) => ({ origin, partition }))
  const causes: string[] = []
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
    causes.push(cause.message, String(cause.stack))
  return JSON.stringify({ notes, causes, positions: [...positions], origins })
}

export interface TestServer {
  readonly origin: string
  readonly requests: {
    readonly method: string
    readonly url: URL
    readonly headers: IncomingMessage['headers']
    readonly body: string
  }[]
}

/** A server on localhost that is closed after the test. */
export async function startServer(
  context: TestContext,
  respond: (request: TestServer['requests'][number], response: ServerResponse) => unknown,
): Promise<TestServer> {
  const requests: TestServer['requests'] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8')
    request.on('data', (chunk: string) => {
      body += chunk
    })
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      const received = { method, url: new URL(url, origin), headers, body }
      requests.push(received)
      respond(received, response)
    })
  })
  const origin = `http://127.0.0.1:${await listen(server)}`
  context.after(async () => {
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  })
  return { origin, requests }
}

/** Fast enough for tests, with enough retries for a busy machine. */
export const QUICK = {
  rate: { perSecond: 10_000, concurrency: 1 },
  retry: { attempts: 4, maxDelay: '1ms' },
  poll: '1ms',
}
