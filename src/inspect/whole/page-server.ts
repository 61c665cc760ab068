import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import type { PipelineTest } from '../../config/pipeline.ts'
import type { Clock } from '../../clock.ts'
import { describeRequest, differencesOf, parseBody } from './match-request.ts'
import type { Page, SeenRequest } from './match-request.ts'

interface PageServerOptions {
  readonly test: Pick<PipelineTest, 'pages' | 'path'>
  /** How often each page was requested by earlier processes. */
  readonly served: readonly number[]
  /** The time in `date` headers. */
  readonly clock: Clock
  /** Where to interrupt the run: the page, and whether in the middle of it. */
  readonly halt?: { readonly page: number; readonly isInside: boolean } | undefined
  /** Called once, when the run has come there. Requests that come later are not answered. */
  halted(): void
  /** Called for a request without a page. It is not answered. */
  unexpected(): void
}

/** Serves the pages of a test on the loopback interface. */
export class PageServer {
  readonly #options: PageServerOptions
  readonly #server = createServer((request, response) => void this.#answer(request, response))
  readonly #served: number[]
  /** How often this process has requested each page. */
  readonly #here = new Map<number, number>()
  #isHalted = false
  /** A request that no page fits, and the nearest page. */
  problem: string | undefined

  constructor(options: PageServerOptions) {
    this.#options = options
    this.#served = this.#pages.map((_page, i) => options.served[i] ?? 0)
  }

  get #pages(): readonly Page[] {
    return this.#options.test.pages ?? []
  }

  /** How often each page was requested. */
  get served(): readonly number[] {
    return this.#served
  }

  /** @returns the port */
  async listen(): Promise<number> {
    await new Promise<void>((resolved, rejected) => {
      this.#server.on('error', rejected)
      this.#server.listen(0, '127.0.0.1', resolved)
    })
    // An address of TCP, since a port is given.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return (this.#server.address() as AddressInfo).port
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((closed) => this.#server.close(closed))
  }

  async #answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = await readRequest(message)
    if (this.#isHalted || this.problem !== undefined) return
    const { halt } = this.#options
    if (halt && !halt.isInside && this.#here.has(halt.page - 1) && this.#isComplete(halt.page - 1)) {
      this.#halt()
      return
    }
    const at = this.#find(request)
    if (at === undefined) {
      this.problem = this.#describeProblem(request)
      this.#options.unexpected()
      return
    }
    this.#served[at]++
    this.#here.set(at, (this.#here.get(at) ?? 0) + 1)
    const isCut = halt?.isInside === true && halt.page === at + 1 && this.#isComplete(at)
    // The next process requests it again.
    if (isCut) this.#served[at]--
    await this.#send(this.#pages[at], response, isCut)
  }

  #isComplete(at: number): boolean {
    return (this.#served[at] ?? 0) >= (this.#pages[at]?.times ?? 1)
  }

  #halt(): void {
    this.#isHalted = true
    this.#options.halted()
  }

  /**
   * The first page that fits and is left. After a restart a page can be requested again: the last
   * process may not have come to its end.
   */
  #find(request: SeenRequest): number | undefined {
    const fitting = this.#pages.flatMap((page, i) => (differencesOf(page, request).length === 0 ? [i] : []))
    return (
      fitting.find((i) => !this.#isComplete(i)) ??
      fitting.findLast((i) => (this.#here.get(i) ?? 0) < (this.#pages[i]?.times ?? 1))
    )
  }

  async #send({ response: page }: Page, response: ServerResponse, isCut: boolean): Promise<void> {
    const { path } = this.#options.test
    const body = page.file === undefined ? textOf(page.body) : await readFile(resolve(dirname(path), page.file))
    const names = new Map(Object.entries(page.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]))
    if (!names.has('date')) names.set('date', new Date(this.#options.clock.now()).toUTCString())
    if (!names.has('content-type') && body.length > 0) names.set('content-type', 'application/json')
    names.set('content-length', String(Buffer.byteLength(body)))
    // Our own header frames the body, whatever a recording says.
    names.delete('transfer-encoding')
    // An empty one is left out: a recording may have had none.
    response.sendDate = false
    for (const [name, value] of names) if (value !== '') response.setHeader(name, value)
    response.writeHead(page.status)
    if (!isCut) {
      response.end(body)
      return
    }
    response.write(Buffer.from(body).subarray(0, Math.floor(body.length / 2)), () => this.#halt())
  }

  #describeProblem(request: SeenRequest): string {
    const left = this.#pages.map((page, i) => ({ page, i })).filter(({ i }) => !this.#isComplete(i))
    const candidates = left.length > 0 ? left : this.#pages.map((page, i) => ({ page, i }))
    const nearest = candidates
      .map((one) => ({ ...one, differences: differencesOf(one.page, request) }))
      .toSorted((a, b) => a.differences.length - b.differences.length)[0]
    const lines = [`no page fits the request`, `  ${describeRequest(request)}`]
    if (nearest === undefined) return lines.join('\n')
    const { i, differences } = nearest
    if (differences.length === 0) return [...lines, `it fits page ${i + 1}, which was requested already`].join('\n')
    lines.push(`nearest: page ${i + 1}${left.length > 0 ? '' : ', which was requested already'}`)
    for (const { part, expected, actual } of differences)
      lines.push(`- ${part}: ${JSON.stringify(expected)}`, `+ ${part}: ${JSON.stringify(actual) ?? 'absent'}`)
    return lines.join('\n')
  }
}

/** The pages that were not requested as often as they should be. */
export function describeUnused(pages: readonly Page[], served: readonly number[]): string[] {
  return pages.flatMap(({ request, times }, i) => {
    const count = served[i] ?? 0
    if (count >= times) return []
    const wanted = [request.method, request.path].filter((part) => part !== undefined).join(' ')
    const often = times === 1 ? 'was not requested' : `was requested ${count} of ${times} times`
    return [`page ${i + 1}${wanted === '' ? '' : ` (${wanted})`} ${often}`]
  })
}

async function readRequest(message: IncomingMessage): Promise<SeenRequest> {
  const headers = Object.fromEntries(
    Object.entries(message.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : (value ?? ''),
    ]),
  )
  const body = await text(message).catch(() => '')
  const { pathname, searchParams } = new URL(message.url ?? '/', 'http://localhost')
  return {
    method: message.method ?? 'GET',
    host: headers['host'] ?? '',
    path: pathname,
    query: searchParams,
    headers,
    body: parseBody(body, headers['content-type']),
  }
}

function textOf(body: Page['response']['body']): string {
  if (body === undefined) return ''
  return typeof body === 'string' ? body : JSON.stringify(body)
}
