import type { CheckedPipeline } from '../../config/pipeline.ts'
import type { RunEvents } from '../../observe/bus/run-events.ts'
import type { LogFormat, LogLevel } from '../../observe/log.ts'
import { statusOf } from '../../observe/status/run-status.ts'
import type { RunStatus } from '../../observe/status/run-status.ts'

/** The live view of the runs of a command, at the end of the terminal. */
export interface LiveView {
  /**
   * Shows a run until it ends. Call it before the run begins.
   * @returns a function that removes it
   */
  add(events: RunEvents): () => void
  /** Removes the view. */
  close(): void
}

interface ViewOptions {
  readonly plain: boolean
  readonly format: LogFormat
  readonly level: LogLevel
}

/** Undefined if stderr is no terminal that can show it, or nobody wants it. */
export async function openLiveView(
  jobs: readonly { readonly pipeline: Pick<CheckedPipeline, 'sinks'> }[],
  { plain, format, level }: ViewOptions,
): Promise<LiveView | undefined> {
  const stream = process.stderr
  if (!stream.isTTY || plain || format !== 'pretty' || level === 'silent') return undefined
  // Records on the same terminal are the view.
  if (process.stdout.isTTY && jobs.some(({ pipeline }) => hasStream(pipeline))) return undefined
  const { canShowLive, hasBlocks, hasColour } = await import('../../observe/live/terminal.ts')
  if (!canShowLive(stream)) return undefined
  const { Screen } = await import('../../observe/live/screen.ts')
  const { renderView } = await import('../../observe/live/view.ts')
  const statuses = new Set<RunStatus>()
  const style = { hasColour: hasColour(), hasBlocks: hasBlocks(), hasNotes: false }
  const screen = new Screen({
    stream,
    interval: REDRAW,
    render: (size) =>
      renderView(
        [...statuses].map((status) => status.snapshot()),
        size,
        style,
      ),
  })
  screen.start()
  return {
    add(events) {
      const status = statusOf(events)
      statuses.add(status)
      const leave = (): void => {
        if (statuses.delete(status)) screen.draw()
      }
      status.onEnd(leave)
      return leave
    },
    close: () => screen.stop(),
  }
}

/** Milliseconds. */
const REDRAW = 250

function hasStream({ sinks }: Pick<CheckedPipeline, 'sinks'>): boolean {
  return sinks.some(({ declaration }) => declaration.delivers === 'stream')
}
