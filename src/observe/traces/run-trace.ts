import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import type { Attributes, Context, Span, Tracer } from '@opentelemetry/api'
import type { Events } from '../bus/events.ts'

interface Beginning {
  readonly start: Events['sluice:run:start']
  /** The context that the run was begun in. */
  readonly parent: Context
}

/** An attempt to publish that has failed, until its object is published. */
type Retry = readonly [at: number, attributes: Attributes]

/** The spans of one run. */
export class RunTrace {
  readonly #tracer: Tracer
  readonly #run: Span
  readonly #within: Context
  /** Open windows, by source partition. */
  readonly #windows = new Map<string, Span>()
  readonly #epochs = new Map<number, Span>()
  /** Contexts of committed epochs, whose objects are still to be published. */
  readonly #committed = new Map<number, Context>()
  /** By sink and key. */
  readonly #retries = new Map<string, Retry[]>()

  constructor(tracer: Tracer, { start: { pipeline, run, source, sinks }, parent }: Beginning) {
    this.#tracer = tracer
    const attributes = {
      'sluice.pipeline': pipeline,
      'sluice.run': run,
      'sluice.source': source.type,
      'sluice.sinks': sinks.map(({ sink }) => sink),
    }
    this.#run = tracer.startSpan(`run ${pipeline}`, { attributes }, parent)
    this.#within = trace.setSpan(parent, this.#run)
  }

  window({ partition, state, start, end, isLookBack, pages, records }: Events['sluice:source:window']): void {
    if (state === 'open') {
      // A window that is planned again takes the place of the first one.
      this.#windows.get(partition)?.end()
      const attributes = {
        'sluice.partition': partition,
        'sluice.window.look_back': isLookBack,
        ...(start !== undefined && { 'sluice.window.start': iso(start) }),
        ...(end !== undefined && { 'sluice.window.end': iso(end) }),
      }
      this.#windows.set(partition, this.#tracer.startSpan('window', { attributes }, this.#within))
      return
    }
    const span = this.#windows.get(partition)
    if (span === undefined) return
    this.#windows.delete(partition)
    span.setAttributes({ 'sluice.window.pages': pages, 'sluice.records': records, 'sluice.window.state': state })
    span.end()
  }

  page({ partition, page, records, bytes, method, origin, status, milliseconds }: Events['sluice:source:page']): void {
    const window = this.#windows.get(partition)
    const { hostname, port, protocol } = new URL(origin)
    const attributes = {
      'sluice.partition': partition,
      'sluice.page': page,
      'sluice.records': records,
      'http.request.method': method,
      'http.response.status_code': status,
      'http.response.body.size': bytes,
      'server.address': hostname,
      'server.port': Number(port || (protocol === 'https:' ? 443 : 80)),
    }
    const options = { kind: SpanKind.CLIENT, attributes, startTime: Date.now() - milliseconds }
    this.#tracer.startSpan('page', options, window ? trace.setSpan(this.#within, window) : this.#within).end()
  }

  /** An attempt that failed, at the window that it was for. */
  retry({ partition, code, status, attempt, wait, reason }: Events['sluice:source:retry']): void {
    const attributes = {
      'sluice.partition': partition,
      'error.type': code,
      'sluice.attempt': attempt,
      'sluice.wait': wait,
      'sluice.wait.reason': reason,
      ...(status !== undefined && { 'http.response.status_code': status }),
    }
    const span = this.#windows.get(partition) ?? this.#run
    span.addEvent('retry', attributes)
  }

  epochOpen({ epoch }: Events['sluice:epoch:open']): void {
    const attributes = { 'sluice.epoch': epoch }
    this.#epochs.set(epoch, this.#tracer.startSpan('epoch', { attributes }, this.#within))
  }

  epochCommit({
    epoch,
    shard,
    read,
    written,
    duplicate,
    rejected,
    milliseconds,
    ...rest
  }: Events['sluice:epoch:commit']): void {
    const span = this.#epochs.get(epoch)
    if (span === undefined) return
    this.#epochs.delete(epoch)
    span.setAttributes({
      'sluice.read': read,
      'sluice.written': written,
      'sluice.duplicate': duplicate,
      'sluice.rejected': rejected,
      'sluice.commit.milliseconds': milliseconds,
      ...(shard !== undefined && { 'sluice.shard': shard }),
    })
    span.end()
    const objects = Object.values(rest.sinks).reduce((sum, sink) => sum + sink.objects, 0)
    if (objects > 0) this.#remember(epoch, trace.setSpan(this.#within, span))
  }

  publishRetry({ sink, key, code, attempt, wait }: Events['sluice:object:retry']): void {
    const name = nameOf(sink, key)
    const earlier = this.#retries.get(name) ?? []
    if (earlier.length >= MAX_EVENTS) return
    earlier.push([Date.now(), { 'error.type': code, 'sluice.attempt': attempt, 'sluice.wait': wait }])
    this.#retries.set(name, earlier)
  }

  publish({
    sink,
    key,
    epoch,
    records,
    bytes,
    attempts,
    isRecovered,
    milliseconds,
  }: Events['sluice:object:publish']): void {
    const attributes = {
      'sluice.sink': sink,
      'sluice.object.key': key,
      'sluice.epoch': epoch,
      'sluice.records': records,
      'sluice.object.bytes': bytes,
      'sluice.attempts': attempts,
      'sluice.recovered': isRecovered,
    }
    const options = { kind: SpanKind.CLIENT, attributes, startTime: Date.now() - milliseconds }
    const span = this.#tracer.startSpan('publish', options, this.#committed.get(epoch) ?? this.#within)
    const name = nameOf(sink, key)
    for (const [at, facts] of this.#retries.get(name) ?? []) span.addEvent('retry', facts, at)
    this.#retries.delete(name)
    span.end()
  }

  /** Ends the run, and what is still open: a window of the next run, an epoch that was not committed. */
  end({ outcome, code, reason, report }: Events['sluice:run:end']): void {
    for (const span of [...this.#windows.values(), ...this.#epochs.values()]) {
      span.setAttribute('sluice.unfinished', true)
      span.end()
    }
    for (const [name, retries] of this.#retries)
      this.#run.addEvent('not published', { 'sluice.object': name, 'sluice.attempts': retries.length })
    this.#run.setAttributes({
      'sluice.outcome': outcome,
      ...(report && {
        'sluice.read': report.read,
        'sluice.written': report.written,
        'sluice.duplicate': report.duplicate,
        'sluice.rejected': report.rejected,
      }),
    })
    if (code !== undefined) {
      this.#run.setAttribute('error.type', code)
      this.#run.setStatus({ code: SpanStatusCode.ERROR, message: reason ?? code })
    }
    this.#run.end()
  }

  /** Objects are published in the order of their epochs, or nearly so. */
  #remember(epoch: number, within: Context): void {
    this.#committed.set(epoch, within)
    const [oldest] = this.#committed.keys()
    if (this.#committed.size > MAX_EPOCHS && oldest !== undefined) this.#committed.delete(oldest)
  }
}

/** Objects of earlier epochs become children of the run. */
const MAX_EPOCHS = 1000
/** Failed attempts that a span of an object has as events. */
const MAX_EVENTS = 100

function nameOf(sink: string, key: string): string {
  return `${sink} ${key}`
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
