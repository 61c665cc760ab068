import type { CheckedPipeline } from '../config/pipeline.ts'
import { REJECTS } from '../delivery/state/rows.ts'
import type { RunEvents } from '../observe/bus/run-events.ts'
import type { Report } from '../observe/report.ts'

/** A run of a pipeline begins. */
export function publishStart(events: RunEvents, { source, transforms, sinks, rejects }: CheckedPipeline): void {
  if (!events.wants('sluice:run:start')) return
  const named = [...sinks, ...(rejects ? [{ ...rejects, name: REJECTS }] : [])]
  events.publish('sluice:run:start', {
    version: 1,
    source: nameOf(source),
    transforms: transforms.map(nameOf),
    sinks: named.map((sink) => ({ ...nameOf(sink), sink: sink.name })),
  })
}

/** A run is over. */
export function publishEnd(events: RunEvents, report: Report): void {
  const { outcome, error, seconds } = report
  events.work.flush()
  events.publish('sluice:run:end', { outcome, code: error?.code, reason: error?.message, seconds, report })
}

interface Named {
  readonly stage: string
  readonly declaration: { readonly type: string }
}

function nameOf({ stage, declaration }: Named): { readonly stage: string; readonly type: string } {
  return { stage, type: declaration.type }
}
