/**
 * The first SIGINT or SIGTERM aborts `stop`: the run commits and publishes the records it has read.
 * The second one exits immediately. Nothing is lost, because the next run resumes from the last
 * commit.
 */
export function stopOnSignals(onFirst: (signal: string) => void): { stop: AbortSignal; forget(): void } {
  const controller = new AbortController()
  const onSignal = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(130)
    onFirst(signal)
    controller.abort(new Error(`stopped by ${signal}`))
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return {
    stop: controller.signal,
    forget() {
      process.off('SIGINT', onSignal)
      process.off('SIGTERM', onSignal)
    },
  }
}
