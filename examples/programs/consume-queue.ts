import { pipeline } from 'node:stream/promises'
import { openPipeline } from 'sluice'

/** The part of a queue client that is needed: SQS, Pub/Sub, AMQP and others have it. */
export interface Queue {
  /** The next messages, some seconds' worth. Returns none when the signal aborts. */
  receive(signal: AbortSignal): Promise<readonly Message[]>
  /** The messages do not come again. */
  acknowledge(messages: readonly Message[]): Promise<void>
}

export interface Message {
  readonly id: string
  /** One event as JSON. */
  readonly body: string
}

/**
 * Writes the messages of a queue with the transforms and the sink of `pipelines/queue.yaml`, until
 * the signal aborts.
 *
 * A message is acknowledged when what it wrote is published. After a crash the queue delivers again
 * what was not acknowledged, and the `dedup` of the pipeline recognises what was written before.
 * The pipeline holds the queue back: `yield` waits until there is room.
 */
export async function consumeQueue(queue: Queue, folder: string, signal: AbortSignal): Promise<void> {
  const events = await openPipeline('queue', { folder })
  const writer = events.writable({ log: console.error })
  await pipeline(async function* () {
    while (!signal.aborted) {
      const messages = await queue.receive(signal)
      for (const { body } of messages) yield `${oneLine(body)}\n`
      await writer.commit()
      await queue.acknowledge(messages)
    }
  }, writer)
}

/** In JSON, line feeds stand between tokens only. */
function oneLine(json: string): string {
  return json.replaceAll(/[\r\n]/g, ' ')
}
