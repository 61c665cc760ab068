import { batch, computed, effect, signal, untracked } from '@preact/signals'
import type { StatusSnapshot } from '../../../src/ui/api.ts'
import type {
  RejectChoice,
  RejectDetail,
  RejectPage,
  ReplayAnswer,
  TryRejectsAnswer,
} from '../../../src/ui/rejects/api.ts'
import { recordMistake } from '../../../src/ui/rejects/record-mistake.ts'
import { api, ApiFailure } from '../api.ts'
import { plural } from '../format.ts'
import { FILTERS, filterOf, listParams, shownIn } from '../rejects/filter.ts'
import type { Shown } from '../rejects/filter.ts'
import { changeQuery, query } from '../route.ts'
import { announce } from './connection.ts'

/** The dead-letter queue of the screen, if it shows one. */
export const rejects = signal<RejectsState | undefined>(undefined)

/** A correction as it is typed. */
export interface Correction {
  readonly text: string
  /** Why it is no record, with the place. */
  readonly mistake: string | undefined
}

export type Replay =
  | { readonly state: 'replaying'; readonly of: number; readonly done: number }
  | { readonly state: 'done'; readonly answer: ReplayAnswer }

/** A dead-letter queue: a page of it, one reject of it, and a choice that is to be replayed. */
export class RejectsState {
  readonly name: string
  readonly shown = computed(() => shownIn(query.value))
  readonly page = signal<RejectPage | undefined>(undefined)
  readonly isLoading = signal(false)
  readonly failure = signal<ApiFailure | undefined>(undefined)
  readonly detail = signal<RejectDetail | undefined>(undefined)
  readonly detailFailure = signal<ApiFailure | undefined>(undefined)
  /** Ids. */
  readonly chosen = signal<ReadonlySet<string>>(new Set())
  /** All that match the filter are chosen. */
  readonly isAll = signal(false)
  readonly corrections = signal<ReadonlyMap<string, Correction>>(new Map())
  /** Of rejects that are chosen, by their ids. */
  readonly chosenCorrections = computed(() =>
    [...this.corrections.value].filter(([id]) => this.isAll.value || this.chosen.value.has(id)),
  )
  /** What will happen to the choice, as long as it is the same. */
  readonly tried = signal<TryRejectsAnswer | undefined>(undefined)
  readonly isTrying = signal(false)
  readonly replay = signal<Replay | undefined>(undefined)
  /** Why the choice was not tried or replayed. */
  readonly actionFailure = signal<ApiFailure | undefined>(undefined)
  readonly #stops: (() => void)[] = []
  #loading = new AbortController()
  #timer: ReturnType<typeof setTimeout> | undefined
  #isClosed = false
  /** Changes with the choice, so that an answer for another one is not taken. */
  #choice = 0

  constructor(name: string) {
    this.name = name
    const listed = computed(() => listParams(this.shown.value).toString())
    const opened = computed(() => this.shown.value.id)
    const filtered = computed(() => JSON.stringify(filterOf(this.shown.value)))
    this.#stops.push(
      effect(() => {
        void listed.value
        untracked(() => void this.load())
      }),
      effect(() => {
        const id = opened.value
        untracked(() => void this.#loadDetail(id))
      }),
      effect(() => {
        void filtered.value
        // It was another filter whose rejects were chosen.
        untracked(() => this.isAll.value && this.#chooseCorrected())
      }),
    )
  }

  close(): void {
    this.#isClosed = true
    for (const stop of this.#stops) stop()
    clearTimeout(this.#timer)
    this.#loading.abort()
  }

  /** Loads the page of the list. One that is being loaded is not waited for. */
  async load(): Promise<void> {
    this.#loading.abort()
    const loading = (this.#loading = new AbortController())
    this.isLoading.value = true
    try {
      const page = await api.rejects(this.name, listParams(this.shown.peek()), loading.signal)
      if (loading.signal.aborted) return
      batch(() => {
        this.page.value = page
        this.failure.value = undefined
      })
    } catch (error) {
      if (!loading.signal.aborted && error instanceof ApiFailure && error.status !== 0) this.failure.value = error
    } finally {
      if (!loading.signal.aborted) this.isLoading.value = false
    }
  }

  /** The number of rejects in the queue, each second. */
  takeCount(count: number | undefined): void {
    const page = this.page.peek()
    if (count === undefined || page === undefined || count === page.total) return
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      if (!document.hidden) void this.load()
    }, SOON)
  }

  /** A replay is a run, and reports how far it is. */
  takeStatus({ read }: StatusSnapshot): void {
    const replay = this.replay.peek()
    if (replay?.state === 'replaying' && read.records > replay.done)
      this.replay.value = { ...replay, done: Math.min(replay.of, read.records) }
  }

  /**
   * Changes the address. A filter that changes begins with the first page.
   * @param step as of `changeQuery`
   */
  show(change: Partial<Shown>, step = true): void {
    const isOther = ['after', 'before', ...FILTERS].some((name) => name in change)
    changeQuery({ ...(isOther && { after: '', before: '' }), ...change }, step)
  }

  choose(ids: readonly string[], isChosen: boolean): void {
    const chosen = new Set(this.chosen.peek())
    for (const id of ids) {
      if (isChosen) chosen.add(id)
      else chosen.delete(id)
    }
    batch(() => {
      this.chosen.value = chosen
      this.isAll.value = false
      this.#changeChoice()
    })
  }

  chooseAll(): void {
    this.isAll.value = true
    this.#changeChoice()
  }

  /** Corrections are lost. */
  chooseNone(): void {
    batch(() => {
      this.chosen.value = new Set()
      this.corrections.value = new Map()
      this.isAll.value = false
      this.#changeChoice()
    })
  }

  /** A corrected reject is chosen. */
  correct(id: string, text: string): void {
    batch(() => {
      this.corrections.value = new Map(this.corrections.peek()).set(id, { text, mistake: recordMistake(text) })
      if (!this.isAll.peek()) this.chosen.value = new Set(this.chosen.peek()).add(id)
      this.#changeChoice()
    })
  }

  /** The reject is as it was, and stays chosen. */
  undoCorrection(id: string): void {
    const corrections = new Map(this.corrections.peek())
    corrections.delete(id)
    this.corrections.value = corrections
    this.#changeChoice()
  }

  /** Asks what will happen to the choice. */
  async try(): Promise<void> {
    const choice = this.#choice
    this.isTrying.value = true
    this.actionFailure.value = undefined
    try {
      const tried = await api.tryRejects(this.name, this.#chosen())
      if (this.#isClosed || choice !== this.#choice) return
      this.tried.value = tried
      announce(`What will happen to ${plural(tried.chosen, 'reject')} is shown`)
    } catch (error) {
      if (choice === this.#choice) this.#fail(error)
    } finally {
      this.isTrying.value = false
    }
  }

  /** Replays the choice that was tried. */
  async replayChosen(): Promise<void> {
    const tried = this.tried.peek()
    if (tried === undefined || this.replay.peek()?.state === 'replaying') return
    batch(() => {
      this.replay.value = { state: 'replaying', of: tried.chosen - tried.totals.stays, done: 0 }
      this.actionFailure.value = undefined
    })
    try {
      const answer = await api.replayRejects(this.name, this.#chosen(tried.upTo))
      if (this.#isClosed) return
      batch(() => {
        this.chooseNone()
        this.replay.value = { state: 'done', answer }
      })
      announce(`${plural(answer.read, 'reject')} replayed`)
      // The way back would lead to rejects that are gone.
      this.show({ id: '', after: '' }, false)
    } catch (error) {
      this.replay.value = undefined
      this.#fail(error)
    }
    if (!this.#isClosed) await this.load()
  }

  #chooseCorrected(): void {
    batch(() => {
      this.chosen.value = new Set(this.corrections.peek().keys())
      this.isAll.value = false
      this.#changeChoice()
    })
  }

  #chosen(upTo?: string): RejectChoice {
    const corrections = this.chosenCorrections.peek().map(([id, { text }]) => ({ id, record: text }))
    if (!this.isAll.peek()) return { ids: [...this.chosen.peek()], corrections }
    return { filter: { ...filterOf(this.shown.peek()), ...(upTo !== undefined && { upTo }) }, corrections }
  }

  #changeChoice(): void {
    this.#choice++
    this.tried.value = undefined
    this.actionFailure.value = undefined
    if (this.replay.peek()?.state === 'done') this.replay.value = undefined
  }

  #fail(error: unknown): void {
    if (this.#isClosed || !(error instanceof ApiFailure)) return
    this.actionFailure.value = error
    announce(error.message)
  }

  /** Asks for the line of the open reject that did not parse. */
  async showUnparsed(): Promise<void> {
    await this.#takeDetail(this.shown.peek().id, true)
  }

  async #loadDetail(id: string): Promise<void> {
    batch(() => {
      this.detail.value = undefined
      this.detailFailure.value = undefined
    })
    if (id !== '') await this.#takeDetail(id, false)
  }

  async #takeDetail(id: string, unparsed: boolean): Promise<void> {
    try {
      const detail = await api.reject(this.name, id, unparsed)
      if (this.shown.peek().id === id) this.detail.value = detail
    } catch (error) {
      if (this.shown.peek().id === id && error instanceof ApiFailure) this.detailFailure.value = error
    }
  }
}

/** Milliseconds. */
const SOON = 2000
