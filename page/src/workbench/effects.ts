import { batch, signal } from '@preact/signals'
import type { SampleAnswer, SampleRequest, TryAnswer } from '../../../src/ui/workbench/api.ts'
import type { ApiFailure } from '../api.ts'
import { announce } from '../state/connection.ts'
import type { TextUser, WorkbenchApi } from './api.ts'
import { failureOf } from './failure-of.ts'
import { Newest } from './newest.ts'

/** Samples, and what each stage does with them. */
export class Effects {
  readonly #api: WorkbenchApi
  readonly #text: TextUser['text']
  #request: SampleRequest | undefined
  readonly sample = signal<SampleAnswer | undefined>(undefined)
  /** The latest; it stays while a newer one is asked for. */
  readonly answer = signal<TryAnswer | undefined>(undefined)
  /** Why there is no newer answer. */
  readonly failure = signal<ApiFailure | undefined>(undefined)
  /** The answer is of an older text, or of other records. */
  readonly isOld = signal(false)
  /** The first record that is shown, from 0. */
  readonly from = signal(0)
  /** Values that redaction changes are asked for too. Off each time that the page is loaded. */
  readonly showsValues = signal(false)
  /** Only this stage is shown. */
  readonly stage = signal<string | undefined>(undefined)
  /** Only this record is shown. */
  readonly record = signal<number | undefined>(undefined)
  readonly #newest = new Newest((isSuperseded) => this.#try(isSuperseded))

  constructor({ api, text }: TextUser) {
    this.#api = api
    this.#text = text
  }

  /**
   * Takes other samples.
   * @throws ApiFailure; then those before stay
   */
  async choose(request: SampleRequest): Promise<void> {
    const isOfText = 'source' in request || 'recording' in request
    this.#request = isOfText ? { ...request, ...this.#text() } : request
    const sample = await this.#api.addSample(this.#request)
    batch(() => {
      this.sample.value = sample
      this.from.value = 0
      this.record.value = undefined
    })
    announce(`${sample.records} sample records`)
    this.refresh()
  }

  /** The text has changed: what is shown is old, until it is tried. */
  expire(): void {
    if (this.answer.peek() !== undefined) this.isOld.value = true
  }

  /** Tries the text. */
  refresh(): void {
    if (this.sample.peek() === undefined) return
    this.isOld.value = true
    this.#newest.ask()
  }

  /** Shows other records. */
  page(from: number): void {
    this.from.value = from
    this.record.value = undefined
    this.refresh()
  }

  setValues(shows: boolean): void {
    this.showsValues.value = shows
    // Those that are on the screen do not wait for an answer.
    if (!shows) this.answer.value = undefined
    this.refresh()
  }

  async #try(isSuperseded: () => boolean): Promise<void> {
    try {
      const answer = await this.#ask()
      if (isSuperseded() || answer === undefined) return
      batch(() => {
        this.answer.value = answer
        this.failure.value = undefined
        this.isOld.value = false
      })
    } catch (error) {
      if (!isSuperseded()) this.failure.value = failureOf(error)
    }
  }

  async #ask(): Promise<TryAnswer | undefined> {
    const sample = this.sample.peek()
    if (sample === undefined) return undefined
    try {
      return await this.#tryOn(sample)
    } catch (error) {
      if (failureOf(error).status !== GONE || this.#request === undefined) throw error
      // The server has kept newer ones of other pages instead.
      const again = await this.#api.addSample(this.#request)
      this.sample.value = again
      return this.#tryOn(again)
    }
  }

  #tryOn({ sample }: SampleAnswer): Promise<TryAnswer> {
    return this.#api.try({
      ...this.#text(),
      sample,
      from: this.from.peek(),
      count: AT_ONCE,
      ...(this.showsValues.peek() && { values: true }),
    })
  }
}

/** Records that are shown at a time. */
export const AT_ONCE = 50

/** HTTP status of samples that are not kept any more. */
const GONE = 410
