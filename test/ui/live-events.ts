import assert from 'node:assert/strict'
import type { LiveEvents } from '../../src/ui/api.ts'
import type { UiProcess } from './ui-process.ts'

interface LiveEvent {
  readonly event: string
  readonly data: unknown
}

interface Listening {
  /** All that have come, in their order. */
  readonly all: () => LiveEvent[]
  of<Name extends keyof LiveEvents>(name: Name): LiveEvents[Name][]
}

/** Collects the server-sent events of a pipeline until the test ends. */
export async function listen(
  t: { after: (end: () => void) => void },
  ui: UiProcess,
  pipeline: string,
): Promise<Listening> {
  const ending = new AbortController()
  t.after(() => ending.abort())
  const url = new URL(`/api/v1/live?pipeline=${pipeline}`, ui.url)
  const response = await fetch(url, { headers: { cookie: await ui.enter() }, signal: ending.signal })
  assert.equal(response.headers.get('content-type'), 'text/event-stream')
  let text = ''
  const reading = async (): Promise<void> => {
    for await (const part of response.body ?? []) text += Buffer.from(part).toString()
  }
  void reading().catch(() => undefined)
  const all = (): { event: string; data: string }[] =>
    [...text.matchAll(/^event: (.*)\ndata: (.*)\n\n/gm)].map(([, event = '', data = '']) => ({ event, data }))
  return {
    all: () => all().map(({ event, data }) => ({ event, data: JSON.parse(data) })),
    of: (name) =>
      all()
        .filter(({ event }) => event === name)
        .map(({ data }) => JSON.parse(data)),
  }
}
