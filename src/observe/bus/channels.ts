import { channel } from 'node:diagnostics_channel'
import type { Channel } from 'node:diagnostics_channel'
import type { EventName } from './events.ts'

/**
 * Each channel by its name. They live as long as the process: a channel that was collected would be
 * another one for its next subscriber.
 */
const CHANNELS: { readonly [Name in EventName]: Channel } = {
  'sluice:run:start': channel('sluice:run:start'),
  'sluice:run:note': channel('sluice:run:note'),
  'sluice:run:work': channel('sluice:run:work'),
  'sluice:run:end': channel('sluice:run:end'),
  'sluice:state:open': channel('sluice:state:open'),
  'sluice:source:open': channel('sluice:source:open'),
  'sluice:source:chunk': channel('sluice:source:chunk'),
  'sluice:source:window': channel('sluice:source:window'),
  'sluice:source:page': channel('sluice:source:page'),
  'sluice:source:request': channel('sluice:source:request'),
  'sluice:source:retry': channel('sluice:source:retry'),
  'sluice:source:wait': channel('sluice:source:wait'),
  'sluice:store:request': channel('sluice:store:request'),
  'sluice:stage:batch': channel('sluice:stage:batch'),
  'sluice:delivery:batch': channel('sluice:delivery:batch'),
  'sluice:delivery:reject': channel('sluice:delivery:reject'),
  'sluice:delivery:late': channel('sluice:delivery:late'),
  'sluice:epoch:open': channel('sluice:epoch:open'),
  'sluice:epoch:commit': channel('sluice:epoch:commit'),
  'sluice:object:publish': channel('sluice:object:publish'),
  'sluice:object:retry': channel('sluice:object:retry'),
  'sluice:outbox:full': channel('sluice:outbox:full'),
  'sluice:outbox:free': channel('sluice:outbox:free'),
  'sluice:shard:plan': channel('sluice:shard:plan'),
  'sluice:shard:change': channel('sluice:shard:change'),
  'sluice:shard:progress': channel('sluice:shard:progress'),
  'sluice:shard:work': channel('sluice:shard:work'),
}

/** The names of all channels. */
export const eventNames: readonly EventName[] = Object.keys(CHANNELS).filter(isEventName)

export function isEventName(name: unknown): name is EventName {
  return typeof name === 'string' && Object.hasOwn(CHANNELS, name)
}

export function channelOf(name: EventName): Channel {
  return CHANNELS[name]
}
