import { batch, computed, signal } from '@preact/signals'
import type { SampleAnswer, SampleRequest, TryAnswer } from '../../../src/ui/workbench/api.ts'
import type { ApiFailure } from '../api.ts'
import { changeQuery, valueOf } from '../route.ts'
import { announce } from '../state/connection.ts'
import type { TextUser, WorkbenchApi } from './api.ts'
import { failureOf } from './failure-of.ts'
import { Newest } from './newest.ts'
import { addressOf, samplesOfAddress } from './sample-address.ts'

/** Samples, and what each stage does with them. What is shown of them is in the address. */
export class Effects {
  readonly #api: WorkbenchApi
  readonly #text: TextUser['text']
  #request: SampleRequest | undefined
  /** The samples that are wanted, which may not be there yet. */
  #wanted: SampleRequest | undefined
  readonly sample = signal<SampleAnswer | undefined>(undefined)
  /** The latest; it stays while a newer one is asked for. */
  readonly answer = signal<TryAnswer | undefined>(undefined)
  /** Why there is no newer answer. */
  readonly failure = signal<ApiFailure | undefined>(undefined)
  /** The answer is of an older text, or of other records. */
  readonly isOld = signal(false)
  /** Only this record is shown, from 0. */
  readonly record = computed(() => numberOfAddress('record'))
  /** The first record that is shown, from 0. */
  readonly from = computed(() => {
    const from = numberOfAddress('from') ?? 0
    const record = this.record.value ?? from
    return record < from || record >= from + AT_ONCE ? record - (record % AT_ONCE) : from
  })
  /** Values that redaction changes are asked for too. Off each time that the page is loaded. */
  readonly showsValues = signal(false)
  /** Only this stage is shown. */
  readonly stage = computed(() => valueOf('stage') || undefined)
  /** The first record that was asked for. */
  #asked = 0
  readonly #newest = new Newest((isSuperseded) => this.#try(isSuperseded))

  constructor({ api, text }: TextUser) {
    this.#api = api
    this.#text = text
  }

  /**
   * Takes other samples. Returns false if yet others are wanted meanwhile.
   * @throws ApiFailure; then those before stay
   */
  async choose(request: SampleRequest): Promise<boolean> {
    const before = this.#wanted
    this.#wanted = request
    try {
      const isOfText = 'source' in request || 'recording' in request
      const sent = isOfText ? { ...request, ...this.#text() } : request
      const sample = await this.#api.addSample(sent)
      if (this.#wanted !== request) return false
      this.#request = sent
      this.sample.value = sample
      announce(`${sample.records} sample records`)
    } catch (error) {
      if (this.#wanted === request) this.#wanted = before
      throw error
    }
    this.refresh()
    return true
  }

  /** Takes the samples of the address, and shows its records. */
  async look(): Promise<void> {
    const request = samplesOfAddress()
    try {
      const isOther = request !== undefined && addressTextOf(request) !== addressTextOf(this.#wanted)
      if (isOther) await this.choose(request)
      else if (this.from.peek() !== this.#asked) this.refresh()
    } catch (error) {
      this.failure.value = failureOf(error)
    }
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
    changeQuery({ from: addressOfNumber(from || undefined), record: '' }, true)
  }

  /** Shows only a record, or all that were asked for with it. */
  showRecord(record: number | undefined): void {
    changeQuery({ from: addressOfNumber(this.from.peek() || undefined), record: addressOfNumber(record) }, true)
  }

  /** Shows only a stage, or all of them. */
  showStage(stage: string | undefined): void {
    changeQuery({ stage: stage ?? '' }, true)
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
    this.#asked = this.from.peek()
    return this.#api.try({
      ...this.#text(),
      sample,
      from: this.#asked,
      count: AT_ONCE,
      ...(this.showsValues.peek() && { values: true }),
    })
  }
}

function addressTextOf(request: SampleRequest | undefined): string {
  return JSON.stringify(request === undefined ? null : addressOf(request))
}

/** Numbers in addresses are from 1, as they are shown. */
function numberOfAddress(name: string): number | undefined {
  const number = Number(valueOf(name))
  return Number.isSafeInteger(number) && number > 0 ? number - 1 : undefined
}

function addressOfNumber(number: number | undefined): string {
  return number === undefined ? '' : String(number + 1)
}

/** Records that are shown at a time. */
export const AT_ONCE = 50

/** HTTP status of samples that are not kept any more. */
const GONE = 410
