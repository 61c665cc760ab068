/**
 * The first SIGINT or SIGTERM asks for a clean end (what was read is committed and published); the second stops at once, which loses
 * nothing either: the next run goes on from the last commit.
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
