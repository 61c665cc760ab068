import { SluiceError } from '../../errors.ts'
import { safeLine } from '../output.ts'
import { hideSecrets } from '../secrets.ts'
import { channelOf, eventNames, isEventName } from './channels.ts'
import type { EventName, Events, OfRun } from './events.ts'

/** Only the messages of one pipeline, or of one run. Default: all of this thread. */
export type EventFilter = Partial<OfRun>

/**
 * Calls a function with each message of a channel, while the run waits for it: keep it short, and do not
 * change the message. If it throws, or its promise rejects, the run continues: the first error of each
 * subscription becomes a warning of the process. (A subscriber of `node:diagnostics_channel` itself
 * that throws ends the process with an uncaught exception.)
 *
 *     const unsubscribe = subscribe('sluice:epoch:commit', ({ pipeline, written }) => {
 *       counters.get(pipeline).add(written)
 *     })
 *
 * @returns a function that ends the subscription
 * @throws SluiceError USAGE if there is no such channel
 */
export function subscribe<Name extends EventName>(
  name: Name,
  listener: (message: Events[Name]) => unknown,
  filter: EventFilter = {},
): () => void {
  if (!isEventName(name))
    throw new SluiceError('USAGE', `subscribe: there is no channel ${JSON.stringify(name)}`, {
      hint: `the channels are ${eventNames.join(', ')}`,
    })
  if (typeof listener !== 'function') throw new SluiceError('USAGE', 'subscribe takes a channel and a function')
  let hasWarned = false
  const warn = (error: unknown): void => {
    if (hasWarned) return
    hasWarned = true
    const { message, stack } = error instanceof Error ? error : new Error(String(error))
    process.emitWarning(safeLine(`a subscriber of ${name} has failed: ${message}`), {
      type: 'SluiceWarning',
      code: 'SLUICE_SUBSCRIBER',
      ...(stack !== undefined && { detail: hideSecrets(stack) }),
    })
  }
  return listen(name, filter, (message) => {
    try {
      const result = listener(message)
      if (result instanceof Promise) result.catch(warn)
    } catch (error) {
      warn(error)
    }
  })
}

/** The same for our own listeners, which do not throw. */
export function listen<Name extends EventName>(
  name: Name,
  { pipeline, run }: EventFilter,
  listener: (message: Events[Name]) => void,
): () => void {
  const channel = channelOf(name)
  const onMessage = (message: unknown): void => {
    if (!isMessageOf(name, message)) return
    if ((pipeline ?? message.pipeline) === message.pipeline && (run ?? message.run) === message.run) listener(message)
  }
  channel.subscribe(onMessage)
  return () => {
    channel.unsubscribe(onMessage)
  }
}

/** Only a run publishes there: the channel has checked types. */
function isMessageOf<Name extends EventName>(_name: Name, message: unknown): message is Events[Name] {
  return typeof message === 'object' && message !== null && 'pipeline' in message && 'run' in message
}
