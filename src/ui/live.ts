import type { FastifyReply } from 'fastify'
import { safeJson } from '../observe/output.ts'
import type { LiveEvents } from './api.ts'
import type { Project } from './project.ts'

/**
 * Sends server-sent events until the browser leaves: the overview when it has changed, and the status of
 * one run. What a slow reader has not taken is not piled up: it gets the next state instead.
 */
export function sendLive(reply: FastifyReply, { project, pipeline }: { project: Project; pipeline?: string }): void {
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
    } catch {
      // A file that is being written: the next look finds it.
    } finally {
      isBusy = false
    }
  }
  const timer = setInterval(() => void tick(), SECOND)
  const now = pipeline === undefined ? undefined : project.status(pipeline)
  const stop =
    pipeline === undefined
      ? undefined
      : project.listen(pipeline, {
          status: (snapshot) => send('status', { pipeline, snapshot }),
          ended: (why) => send('ended', { pipeline, why }),
        })
  raw.once('close', () => {
    clearInterval(timer)
    stop?.()
  })
  if (pipeline !== undefined && now !== undefined) send('status', { pipeline, snapshot: now })
  void tick()
}

const SECOND = 1000
/** Bytes. */
const MOST_WAITING = 1_000_000
