import { effect } from '@preact/signals'
import { api, ApiFailure, openLive } from '../api.ts'
import { safe } from '../format.ts'
import { route } from '../route.ts'
import type { Route } from '../route.ts'
import { announce, connection } from './connection.ts'
import { project, takeFailure, takeRows } from './overview.ts'
import { PipelineState, pipeline } from './pipeline.ts'
import { RejectsState, rejects } from './rejects.ts'

/** Connects each screen with its live messages, and keeps the title of the page. */
export function followRoute(): void {
  effect(() => {
    const current = route.value
    document.title = titleOf(current)
    if (current.screen === 'unknown') return undefined
    const state = current.screen === 'pipeline' ? new PipelineState(current.name) : undefined
    const queue = current.screen === 'rejects' ? new RejectsState(current.name) : undefined
    pipeline.value = state
    rejects.value = queue
    const close = openLive({
      pipeline: current.screen === 'overview' ? undefined : current.name,
      listeners: {
        overview: ({ pipelines }) => {
          takeRows(pipelines)
          const row = pipelines.find(({ name }) => name === state?.name)
          if (row) state?.takeRow(row)
          queue?.takeCount(pipelines.find(({ name }) => name === queue.name)?.rejects)
        },
        status: ({ snapshot }) => {
          state?.takeStatus(snapshot)
          queue?.takeStatus(snapshot)
        },
        failed: takeFailure,
        log: ({ lines }) => state?.log.take(lines),
        ended: ({ why }) => state?.takeEnd(why),
      },
      opened: () => {
        if (connection.peek().state === 'lost') announce('Connected again')
        connection.value = { state: 'open' }
        void loadProject()
        void state?.load()
        void queue?.load()
      },
      lost: () => void takeLoss(),
    })
    return () => {
      close()
      state?.close()
      queue?.close()
    }
  })
}

async function loadProject(): Promise<void> {
  try {
    const [info, { pipelines }] = await Promise.all([api.project(), api.pipelines()])
    project.value = info
    takeRows(pipelines)
  } catch {
    // The live connection reports it.
  }
}

async function takeLoss(): Promise<void> {
  const before = connection.peek()
  if (before.state !== 'lost') {
    connection.value = { state: 'lost', since: Date.now(), isRefused: false }
    announce('The connection to sluice ui is lost')
  }
  try {
    await api.project()
  } catch (error) {
    const now = connection.peek()
    const isRefused = error instanceof ApiFailure && (error.status === 401 || error.status === 421)
    if (now.state === 'lost') connection.value = { ...now, isRefused }
  }
}

function titleOf(current: Route): string {
  if (current.screen === 'pipeline') return `${safe(current.name)} · Sluice`
  if (current.screen === 'workbench') return `${safe(current.name)}: workbench · Sluice`
  if (current.screen === 'rejects') return `Rejects of ${safe(current.name)} · Sluice`
  return current.screen === 'overview' ? 'Pipelines · Sluice' : 'Not found · Sluice'
}
