import { isSnapshot } from '../inspect/watch-runs.ts'
import type { Seen } from '../inspect/watch-runs.ts'
import type { StatusSnapshot } from '../observe/status/snapshot.ts'
import { Screen } from '../observe/live/screen.ts'
import { hasBlocks, hasColour } from '../observe/live/terminal.ts'
import { renderView } from '../observe/live/view.ts'
import { say } from '../observe/output.ts'

/**
 * Shows what is seen of runs on the terminal until all have ended, or the user ends it with `q` or
 * Ctrl-C.
 * @param watch hands on what it sees; resolves when there is no more
 */
export async function showTop(
  watch: (take: (seen: Seen) => void) => Promise<void>,
  end: () => void,
  signal: AbortSignal,
): Promise<void> {
  const shown = new Map<string, StatusSnapshot>()
  const last = new Map<string, string>()
  const style = { hasColour: hasColour(), hasBlocks: hasBlocks(), hasNotes: true }
  const screen = new Screen({
    stream: process.stdout,
    interval: REDRAW,
    render: (size) => {
      if (shown.size === 0) return [{ text: WAITING.slice(0, size.columns), width: WAITING.length }]
      return renderView([...shown.values()], size, style)
    },
  })
  const keys = readKeys(end)
  screen.start()
  try {
    await watch(({ pipeline, data, ended }) => {
      if (data !== undefined && isSnapshot(data)) {
        shown.set(pipeline, data)
        last.delete(pipeline)
      }
      // While it waits for the next run, once is enough.
      if (ended === undefined || last.get(pipeline) === ended) return
      last.set(pipeline, ended)
      shown.delete(pipeline)
      if (!signal.aborted) say(`${pipeline}: ${ended}`)
    })
  } finally {
    keys.close()
    screen.stop()
  }
}

const REDRAW = 250
const WAITING = 'waiting for a run; q ends this'

/** The view of one snapshot, as lines without colours and without an end. */
export function renderOnce(snapshot: StatusSnapshot): string {
  const style = { hasColour: false, hasBlocks: hasBlocks(), hasNotes: true }
  const columns = process.stdout.columns || 100
  return renderView([snapshot], { columns, rows: Infinity }, style)
    .map(({ text }) => `${text}\n`)
    .join('')
}

/** Calls a function for `q` and Ctrl-C. Without a terminal, keys are not read. */
function readKeys(end: () => void): { close(): void } {
  const { stdin } = process
  if (!stdin.isTTY) return { close: () => undefined }
  const onKey = (key: Buffer): void => {
    const text = key.toString()
    if (text.includes('q') || text.includes('\u0003')) end()
    // In raw mode the terminal does not stop the process itself.
    if (text.includes('\u001a')) process.kill(process.pid, 'SIGTSTP')
  }
  stdin.setRawMode(true)
  stdin.on('data', onKey)
  return {
    close() {
      stdin.off('data', onKey)
      stdin.setRawMode(false)
      stdin.pause()
    },
  }
}
