import { batch, signal } from '@preact/signals'
import type { TestsAnswer } from '../../../src/ui/workbench/api.ts'
import type { ApiFailure } from '../api.ts'
import { plural } from '../format.ts'
import { announce } from '../state/connection.ts'
import type { TextUser, WorkbenchApi } from './api.ts'
import { failureOf } from './failure-of.ts'

/** Runs of the tests of a pipeline file. */
export class TestRuns {
  readonly #api: WorkbenchApi
  readonly #text: TextUser['text']
  readonly answer = signal<TestsAnswer | undefined>(undefined)
  readonly failure = signal<ApiFailure | undefined>(undefined)
  readonly isRunning = signal(false)

  constructor({ api, text }: TextUser) {
    this.#api = api
    this.#text = text
  }

  async run(): Promise<void> {
    if (this.isRunning.peek()) return
    this.isRunning.value = true
    try {
      const answer = await this.#api.runTests(this.#text())
      batch(() => {
        this.answer.value = answer
        this.failure.value = undefined
      })
      const failed = answer.tests.filter(({ isPassed }) => !isPassed).length
      announce(`${plural(answer.tests.length, 'test')}, ${failed} failed`)
    } catch (error) {
      this.failure.value = failureOf(error)
    } finally {
      this.isRunning.value = false
    }
  }
}
