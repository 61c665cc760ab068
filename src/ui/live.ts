import type { FastifyReply } from 'fastify'
import { safeJson } from '../observe/output.ts'
import type { LiveEvents } from './api.ts'
import { describeFailure } from './failures.ts'
import type { Project } from './project.ts'
import type { Runs } from './runs.ts'

interface LiveOptions {
  readonly project: Project
  readonly runs: Runs
  /** The one whose run is followed. */
  readonly pipeline?: string
}

/**
 * Sends server-sent events until the browser leaves: the overview when it has changed, and the status and the log
 * of one run. What a slow reader has not taken is not piled up: it gets the next state instead.
 */
export function sendLive(reply: FastifyReply, { project, runs, pipeline }: LiveOptions): void {
  const { raw } = reply
  const send = <Name extends keyof LiveEvents>(name: Name, data: LiveEvents[Name]): boolean => {
    if (raw.destroyed || raw.writableLength > MOST_WAITING) return false
    raw.write(`event: ${name}\ndata: ${safeJson(data)}\n\n`)
    return true
  }
  let last = ''
  let isBusy = false
  const tick = async (): Promise<void> => {
    if (isBusy) return
    isBusy = true
    try {
      const pipelines = await project.rows()
      const text = JSON.stringify(pipelines)
      if (text !== last && send('overview', { pipelines })) last = text
      // Proxies and browsers close a connection that says nothing.
      else if (!raw.destroyed && raw.writableLength === 0) raw.write(': still here\n\n')
    } catch (error) {
      const trouble = describeFailure(error)
      const text = JSON.stringify(trouble)
      if (text !== last && send('failed', trouble)) last = text
    } finally {
      isBusy = false
    }
  }
  const timer = setInterval(() => void tick(), SECOND)
  const stop = pipeline === undefined ? undefined : follow(pipeline, runs, send)
  raw.once('close', () => {
    clearInterval(timer)
    stop?.()
  })
  void tick()
}

type Send = <Name extends keyof LiveEvents>(name: Name, data: LiveEvents[Name]) => void

/** Sends what is known of a run, and what happens to it. Returns a function that ends it. */
function follow(pipeline: string, runs: Runs, send: Send): () => void {
  const { snapshot, log } = runs.of(pipeline)
  if (log.items.length > 0) send('log', { pipeline, lines: log.items })
  if (snapshot !== undefined) send('status', { pipeline, snapshot })
  return runs.listen(pipeline, {
    status: (latest) => send('status', { pipeline, snapshot: latest }),
    log: (lines) => send('log', { pipeline, lines }),
    ended: (why) => send('ended', { pipeline, why }),
  })
}

const SECOND = 1000
/** Bytes. */
const MOST_WAITING = 1_000_000
