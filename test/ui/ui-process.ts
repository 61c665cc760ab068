import { request } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import type { CommandOptions, RunningCommand, Workspace } from '../support/command.ts'
import { until } from '../support/until.ts'

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

interface Asked {
  readonly method?: string
  readonly headers?: { readonly [name: string]: string }
  /** As it is sent: `..` stays. */
  readonly path: string
  /** Sent as JSON. */
  readonly body?: unknown
}

export interface UiProcess {
  /** The printed address, with its token. */
  readonly url: URL
  readonly pid: number
  /** Sends a request with no more headers than these. */
  ask(asked: Asked): Promise<Answer>
  /** The cookie of the session; takes the token of the address. */
  enter(): Promise<string>
}

/** Starts `sluice ui` in a workspace. */
export async function startUi(
  workspace: Workspace,
  args: readonly string[] = [],
  options: CommandOptions = {},
): Promise<UiProcess & Pick<RunningCommand, 'ended'>> {
  const running = workspace.start(['ui', ...args], options)
  await until(() => running.output.stdout.includes('\n'), running)
  return { ...attachUi(running.output.stdout.trim(), running), ended: running.ended }
}

/** Uses a page that a command serves. @param address the printed one */
export function attachUi(address: string, { pid }: Pick<RunningCommand, 'pid'>): UiProcess {
  const url = new URL(address)
  const ask = ({ method = 'GET', headers = {}, path, body }: Asked): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const { hostname, port } = url
      const type = body === undefined ? {} : { 'content-type': 'application/json' }
      const all = { host: url.host, ...type, ...headers }
      const sent = request({ hostname, port, method, path, headers: all }, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (part: string) => (text += part))
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }))
        response.on('error', reject)
      })
      sent.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body))
    })
  let entered: Promise<string> | undefined
  const enter = async (): Promise<string> => {
    const { headers } = await ask({ path: `/${url.search}` })
    const [cookie = ''] = headers['set-cookie'] ?? []
    return cookie.split(';')[0]
  }
  return {
    url,
    pid,
    ask,
    enter: () => (entered ??= enter()),
  }
}

/** Asks the API for JSON. Throws for another status than 200. */
export async function askJson<Value>(ui: UiProcess, path: string, body?: unknown): Promise<Value> {
  const { status, text } = await ui.ask({
    path: `/api/v1${path}`,
    headers: { cookie: await ui.enter() },
    ...(body !== undefined && { method: 'POST', body }),
  })
  if (status !== 200) throw new Error(`${status} ${text}`)
  return JSON.parse(text)
}
