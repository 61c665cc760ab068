/**
 * The first SIGINT or SIGTERM aborts `stop`: the run commits and publishes the records it has read.
 * The second one exits immediately. Nothing is lost, because the next run resumes from the last
 * commit.
 * @param onSecond What the second one does in place of that; the third one exits.
 */
export function stopOnSignals(
  onFirst: (signal: string) => void,
  onSecond?: (signal: string) => void,
): { stop: AbortSignal; forget(): void } {
  const controller = new AbortController()
  let count = 0
  const onSignal = (signal: NodeJS.Signals) => {
    count++
    if (count > 2 || (count === 2 && onSecond === undefined)) process.exit(130)
    if (count === 2) return onSecond?.(signal)
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
