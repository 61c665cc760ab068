import { batch, signal } from '@preact/signals'
import type { PipelineDetail, PipelineRow, StatusSnapshot } from '../../../src/ui/api.ts'
import { api, ApiFailure } from '../api.ts'
import { troubleOf } from '../drawing/trouble.ts'
import { safe } from '../format.ts'
import { announce } from './connection.ts'
import { LogState } from './log.ts'
import { Samples } from './samples.ts'

/** The pipeline of the screen, if it shows one. */
export const pipeline = signal<PipelineState | undefined>(undefined)

/** One pipeline as it is known: its file and state, and its run as it reports. */
export class PipelineState {
  readonly name: string
  readonly detail = signal<PipelineDetail | undefined>(undefined)
  /** The latest of a run. It stays after the end of the run. */
  readonly snapshot = signal<StatusSnapshot | undefined>(undefined)
  /** Why the run is over. */
  readonly ended = signal<string | undefined>(undefined)
  readonly failure = signal<ApiFailure | undefined>(undefined)
  readonly samples = new Samples()
  readonly log = new LogState()
  #timer: ReturnType<typeof setTimeout> | undefined
  #slow: ReturnType<typeof setInterval>
  #isClosed = false

  constructor(name: string) {
    this.name = name
    // The file may have changed in a way that no count shows.
    this.#slow = setInterval(() => this.#loadSoon(), SLOW)
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    clearInterval(this.#slow)
  }

  /** After each connection. */
  async load(): Promise<void> {
    await Promise.all([this.#loadDetail(), this.#loadSeries()])
  }

  takeStatus(snapshot: StatusSnapshot): void {
    const before = this.snapshot.peek()
    batch(() => {
      this.snapshot.value = snapshot
      this.ended.value = undefined
    })
    this.samples.add(snapshot)
    for (const sink of snapshot.sinks) {
      const known = before?.sinks.find((one) => one.sink === sink.sink)
      const trouble = troubleOf(sink)
      if (known !== undefined && trouble?.tone !== troubleOf(known)?.tone)
        announce(`${safe(sink.sink)}: ${safe(trouble?.text ?? 'publishes again')}`)
    }
    const isNew = before?.commits.count !== snapshot.commits.count || before.objects[0]?.at !== snapshot.objects[0]?.at
    if (isNew) this.#loadSoon()
  }

  takeEnd(why: string): void {
    this.ended.value = why
    this.#loadSoon()
  }

  /** The part of the detail that the overview has too. */
  takeRow(row: PipelineRow): void {
    const detail = this.detail.peek()
    if (detail === undefined || JSON.stringify(detail.row) === JSON.stringify(row)) return
    const { row: before } = detail
    this.detail.value = { ...detail, row }
    if (before.errors !== row.errors || before.warnings !== row.warnings || before.state !== row.state) this.#loadSoon()
  }

  #loadSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      if (!document.hidden) void this.#loadDetail()
    }, SOON)
  }

  async #loadDetail(): Promise<void> {
    try {
      const detail = await api.detail(this.name)
      if (this.#isClosed) return
      batch(() => {
        this.detail.value = detail
        if (detail.lastRun !== undefined && this.snapshot.peek() === undefined) {
          this.snapshot.value = detail.lastRun.snapshot
          this.ended.value = detail.lastRun.why
        }
        this.failure.value = undefined
      })
    } catch (error) {
      if (!this.#isClosed && error instanceof ApiFailure && error.status !== 0) this.failure.value = error
    }
  }

  async #loadSeries(): Promise<void> {
    try {
      const series = await api.series(this.name)
      if (!this.#isClosed) this.samples.replace(series)
    } catch {
      // The charts begin with what comes.
    }
  }
}

/** Milliseconds. */
const SOON = 2000
const SLOW = 15_000
