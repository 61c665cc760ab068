/**
 * Runs requests that clean up. They are sent even if the signal has aborted, or aborts meanwhile,
 * but end within a second of it.
 */
export async function cleaning<T>(signal: AbortSignal, requests: (limit: AbortSignal) => Promise<T>): Promise<T> {
  const ended = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const end = (after: number): void => {
    clearTimeout(timer)
    timer = setTimeout(() => ended.abort(), after)
  }
  const leave = (): void => end(FAREWELL)
  end(signal.aborted ? FAREWELL : TIMEOUT)
  signal.addEventListener('abort', leave, { once: true })
  try {
    return await requests(ended.signal)
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', leave)
  }
}

/** Milliseconds. */
const TIMEOUT = 15_000
/** Milliseconds: a sink ends within a second of its signal. */
const FAREWELL = 800
