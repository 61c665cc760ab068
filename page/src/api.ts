import type {
  RejectChoice,
  RejectDetail,
  RejectPage,
  ReplayAnswer,
  TryRejectsAnswer,
} from '../../src/ui/rejects/api.ts'
import type { LiveEvents, PipelineDetail, PipelineRow, ProjectInfo, Series } from '../../src/ui/api.ts'

/** Why the server did not do what was asked for. */
export class ApiFailure extends Error {
  /** HTTP status; 0 if there was no response. */
  readonly status: number
  readonly hint: string | undefined

  constructor(message: string, { status, hint }: { readonly status: number; readonly hint?: string | undefined }) {
    super(message)
    this.name = 'ApiFailure'
    this.status = status
    this.hint = hint
  }
}

/** Each throws ApiFailure. */
export const api = {
  async project(): Promise<ProjectInfo> {
    const info: ProjectInfo = await get('/project')
    readClock(info.now)
    return info
  },
  pipelines: (): Promise<{ readonly pipelines: readonly PipelineRow[] }> => get('/pipelines'),
  detail: (name: string): Promise<PipelineDetail> => get(`/pipelines/${encodeURIComponent(name)}`),
  series: (name: string): Promise<Series> => get(`/pipelines/${encodeURIComponent(name)}/series`),
  rejects: (name: string, params: URLSearchParams, signal: AbortSignal): Promise<RejectPage> =>
    get(`/pipelines/${encodeURIComponent(name)}/rejects?${params.toString()}`, { signal }),
  /** @param unparsed also a line that did not parse, in which nothing is redacted */
  reject: (name: string, id: string, unparsed: boolean): Promise<RejectDetail> =>
    get(`/pipelines/${encodeURIComponent(name)}/rejects/${encodeURIComponent(id)}?unparsed=${unparsed}`),
  tryRejects: (name: string, choice: RejectChoice): Promise<TryRejectsAnswer> =>
    post(`/pipelines/${encodeURIComponent(name)}/rejects/try`, choice),
  replayRejects: (name: string, choice: RejectChoice): Promise<ReplayAnswer> =>
    post(`/pipelines/${encodeURIComponent(name)}/rejects/replay`, choice),
}

/** Milliseconds to add to the clock of this browser for that of the server. */
export let clockOffset = 0

function get<Shape>(path: string, options: Pick<RequestInit, 'signal'> = {}): Promise<Shape> {
  return send('GET', path, undefined, options)
}

function post<Shape>(path: string, body: object): Promise<Shape> {
  return send('POST', path, body)
}

/**
 * Sends a request, with a body as JSON.
 * @throws ApiFailure
 */
export async function send<Shape>(
  method: 'GET' | 'POST' | 'PUT',
  path: string,
  body?: object,
  options: Pick<RequestInit, 'signal'> = {},
): Promise<Shape> {
  const response = await fetch(API + path, {
    ...options,
    method,
    ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  }).catch(() => {
    throw new ApiFailure('sluice ui does not answer', { status: 0 })
  })
  const text = await response.text()
  if (response.ok) return JSON.parse(text)
  const { message, hint } = errorOf(text)
  throw new ApiFailure(message ?? `HTTP status ${response.status}`, { status: response.status, hint })
}

const API = '/api/v1'

/** The response was under way for a moment: less than a second is no difference. */
function readClock(now: number): void {
  const offset = now - Date.now()
  clockOffset = Math.abs(offset) > 1000 ? offset : 0
}

function errorOf(text: string): { readonly message?: string; readonly hint?: string } {
  try {
    return JSON.parse(text).error ?? {}
  } catch {
    return text.length > 0 && text.length < 500 ? { message: text.trim() } : {}
  }
}

type LiveListeners = { readonly [Name in keyof LiveEvents]?: (data: LiveEvents[Name]) => void }

interface LiveOptions {
  readonly pipeline?: string | undefined
  readonly listeners: LiveListeners
  /** Each time that it is connected. */
  readonly opened: () => void
  readonly lost: () => void
}

/** Listens to live messages, and connects again after each failure. Returns a function that ends it. */
export function openLive({ pipeline, listeners, opened, lost }: LiveOptions): () => void {
  let source: EventSource | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let failures = 0
  const open = (): void => {
    source = new EventSource(`${API}/live${pipeline === undefined ? '' : `?pipeline=${encodeURIComponent(pipeline)}`}`)
    source.addEventListener('open', () => {
      failures = 0
      opened()
    })
    // What is parsed has the type of its event: the server has made it from the same types.
    source.addEventListener('overview', ({ data }) => listeners.overview?.(JSON.parse(data)))
    source.addEventListener('failed', ({ data }) => listeners.failed?.(JSON.parse(data)))
    source.addEventListener('status', ({ data }) => listeners.status?.(JSON.parse(data)))
    source.addEventListener('log', ({ data }) => listeners.log?.(JSON.parse(data)))
    source.addEventListener('ended', ({ data }) => listeners.ended?.(JSON.parse(data)))
    source.addEventListener('error', () => {
      // Its own attempts have no growing delay, and an HTTP error ends them.
      source?.close()
      lost()
      timer = setTimeout(open, Math.min(10_000, 1000 * 2 ** failures++) * (0.75 + Math.random() / 2))
    })
  }
  open()
  return () => {
    clearTimeout(timer)
    source?.close()
  }
}
