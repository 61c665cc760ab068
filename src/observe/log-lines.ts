import type { EventName, Events, OfRun } from './bus/events.ts'
import { listen } from './bus/subscribe.ts'
import { includes } from './log.ts'
import type { LogLevel } from './log.ts'
import { lineOf } from './messages/line.ts'
import type { Line } from './messages/line.ts'
import { levelOf } from './messages/table.ts'
import type { MessageArguments, MessageCode } from './messages/table.ts'

/**
 * Gives the lines of the log of a run to a function: its notes, and a line for each message of the bus
 * that has one here. Channels whose lines are less important than the level are not listened to.
 * @returns a function that ends it
 */
export function listenLines(
  { run }: { readonly run: string },
  least: LogLevel,
  take: (line: Line, of: OfRun) => void,
): () => void {
  const stops: (() => void)[] = []
  const on = <Name extends EventName>(
    name: Name,
    codes: readonly MessageCode[],
    message: (event: Events[Name]) => MessageArguments | undefined,
  ): void => {
    if (!codes.some((code) => includes(least, levelOf(code)))) return
    const listener = (event: Events[Name]): void => {
      const line = message(event)
      if (line && includes(least, levelOf(line[0]))) take(lineOf(...line), event)
    }
    stops.push(listen(name, { run }, listener))
  }
  stops.push(
    listen('sluice:run:note', { run }, (note) => {
      const { level, code, stage, message, facts } = note
      if (includes(least, level)) take({ level, code, stage, message, facts }, note)
    }),
  )
  on('sluice:run:start', ['run.started'], ({ source, transforms, sinks }) => [
    'run.started',
    { source: source.stage, transforms: transforms.length, sinks: sinks.map(({ stage }) => stage).join(', ') },
  ])
  on('sluice:run:end', ['run.ended', 'run.failed'], ended)
  on('sluice:source:retry', ['source.retry'], (retry) => [
    'source.retry',
    {
      partition: retry.partition,
      error: retry.code,
      status: retry.status,
      reason: retry.message,
      attempt: retry.attempt,
      attempts: retry.attempts,
      waitMs: retry.wait,
    },
  ])
  on('sluice:source:wait', ['source.wait'], ({ partition, wait }) => [
    'source.wait',
    { partition, waitMs: Math.ceil(wait) },
  ])
  on(
    'sluice:source:window',
    ['source.window.opened', 'source.window.complete', 'source.window.abandoned'],
    ({ partition, state, start, end, isLookBack, pages, records }) => {
      const window = { partition, from: instant(start), to: instant(end), isLookBack }
      if (state === 'open') return ['source.window.opened', window]
      if (state === 'complete') return ['source.window.complete', { ...window, pages, records }]
      return ['source.window.abandoned', { ...window, pages, records }]
    },
  )
  on('sluice:epoch:commit', ['epoch.committed'], ({ epoch, shard, sinks, dropped, milliseconds, ...counts }) => [
    'epoch.committed',
    {
      epoch,
      shard,
      read: counts.read,
      added: counts.added,
      written: counts.written,
      duplicate: counts.duplicate,
      dropped: sum(Object.values(dropped)),
      rejected: counts.rejected,
      objects: sum(Object.values(sinks).map(({ objects }) => objects)),
      milliseconds: Math.round(milliseconds),
    },
  ])
  on('sluice:delivery:reject', ['records.rejected'], ({ code, stage, records }) => [
    'records.rejected',
    { stage, reject: code, records },
  ])
  on('sluice:delivery:late', ['records.late'], ({ delay, records }) => ['records.late', { delay, records }])
  on('sluice:object:publish', ['object.published'], (object) => [
    'object.published',
    {
      sink: object.sink,
      key: object.key,
      epoch: object.epoch,
      records: object.records,
      bytes: object.bytes,
      attempts: object.attempts,
      isRecovered: object.isRecovered,
      milliseconds: Math.round(object.milliseconds),
    },
  ])
  on('sluice:object:retry', ['object.retry'], ({ sink, key, code, reason, attempt, wait }) => [
    'object.retry',
    { sink, key, error: code, reason, attempt, waitMs: Math.round(wait) },
  ])
  on('sluice:outbox:full', ['outbox.full'], ({ sink, maxBytes }) => ['outbox.full', { sink, maxBytes }])
  on('sluice:outbox:free', ['outbox.free'], ({ sink, milliseconds }) => [
    'outbox.free',
    { sink, milliseconds: Math.round(milliseconds) },
  ])
  on('sluice:shard:change', SHARD_CODES, shardMessage)
  return () => {
    for (const stop of stops) stop()
  }
}

function ended({
  outcome,
  code = 'INTERNAL',
  reason = '',
  seconds,
  report,
}: Events['sluice:run:end']): MessageArguments {
  const counts = report && {
    read: report.read,
    added: report.added,
    written: report.written,
    duplicate: report.duplicate,
    dropped: sum(Object.values(report.dropped)),
    rejected: report.rejected,
  }
  if (outcome !== 'failed') return ['run.ended', { outcome, seconds, ...counts }]
  return ['run.failed', { error: code, reason, seconds, ...counts }]
}

const SHARD_CODES: readonly MessageCode[] = [
  'shard.started',
  'shard.executed',
  'shard.committed',
  'shard.waiting',
  'shard.again',
  'shard.retried',
  'shard.failed',
]

function shardMessage(change: Events['sluice:shard:change']): MessageArguments | undefined {
  const { state, shard, attempt = 0, bytes = 0, tally, code = '', reason = '', others = [] } = change
  if (state === 'started') return ['shard.started', { shard, attempt, bytes }]
  if (state === 'executed') return ['shard.executed', { shard, attempt, bytesIn: bytes, ...tally }]
  if (state === 'committed') return ['shard.committed', { shard }]
  if (state === 'waiting') return ['shard.waiting', { shard, others: others.join(', ') }]
  if (state === 'again') return ['shard.again', { shard, reason }]
  if (state === 'retried') return ['shard.retried', { shard, attempt, error: code, reason }]
  if (state === 'failed') return ['shard.failed', { shard, error: code, reason }]
  return undefined
}

function instant(moment: number | undefined): string | undefined {
  return moment === undefined ? undefined : new Date(moment).toISOString()
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0)
}
