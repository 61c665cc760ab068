import { computed, effect, signal } from '@preact/signals'
import type { ApiProblem } from '../../../src/ui/api.ts'
import type { DescribeAnswer, CompleteAnswer } from '../../../src/ui/workbench/api.ts'
import { api } from '../api.ts'
import type { ApiFailure } from '../api.ts'
import { WorkbenchApi } from '../workbench/api.ts'
import { Editor } from '../workbench/editor.ts'
import { Effects } from '../workbench/effects.ts'
import { failureOf } from '../workbench/failure-of.ts'
import { Newest } from '../workbench/newest.ts'
import { OpenFile } from '../workbench/open-file.ts'
import { TestRuns } from '../workbench/test-runs.ts'
import { connection } from './connection.ts'

/**
 * The workbench of a pipeline: its file in an editor, what is wrong with it, what it does with samples. It stays
 * while other screens are shown, so that nothing typed is lost.
 */
export class WorkbenchState {
  readonly name: string
  readonly api: WorkbenchApi
  readonly failure = signal<ApiFailure | undefined>(undefined)
  readonly canEdit = signal(false)
  /** Undefined until it is loaded. */
  readonly editor = signal<Editor | undefined>(undefined)
  /** As the editor has it, with line feeds. */
  readonly text = signal('')
  readonly file: OpenFile
  /** Of the text as it was checked last; undefined before the first check. */
  readonly problems = signal<readonly ApiProblem[] | undefined>(undefined)
  readonly checkFailure = signal<ApiFailure | undefined>(undefined)
  readonly isChecking = signal(false)
  readonly effects: Effects
  readonly tests: TestRuns
  readonly hasErrors = computed(() => this.problems.value?.some(({ severity }) => severity === 'error') === true)
  readonly #check = new Newest((isSuperseded) => this.#checkNow(isSuperseded))

  constructor(name: string) {
    this.name = name
    this.api = new WorkbenchApi(name)
    this.file = new OpenFile({ api: this.api, text: this.text })
    const textToSend = (): { readonly text?: string } => (this.canEdit.peek() ? { text: this.text.peek() } : {})
    this.effects = new Effects({ api: this.api, text: textToSend })
    this.tests = new TestRuns({ api: this.api, text: textToSend })
    let wasLost = false
    effect(() => {
      const { state } = connection.value
      if (state === 'open' && wasLost) void this.#reconnect()
      wasLost = state === 'lost'
    })
  }

  /** Loads the file, unless that was done before. */
  async load(): Promise<void> {
    if (this.editor.peek() !== undefined) return
    try {
      const [file, { canEdit }] = await Promise.all([this.api.file(), api.project()])
      this.failure.value = undefined
      this.canEdit.value = canEdit
      this.text.value = this.file.open(file)
      this.editor.value = new Editor({
        text: this.text.peek(),
        isReadOnly: !canEdit,
        changed: (text) => this.#take(text),
        complete: (text, offset) => this.#complete(text, offset),
        describe: (text, offset) => this.#describe(text, offset),
      })
      this.recheck()
    } catch (error) {
      this.failure.value = failureOf(error)
    }
  }

  /** Replaces the text as one change that undo takes back. */
  replace(text: string, line?: number): void {
    this.editor.peek()?.replace(text, line)
  }

  /** Checks the text and tries it again. */
  recheck(): void {
    this.isChecking.value = true
    this.#check.ask()
  }

  async #reconnect(): Promise<void> {
    if (this.editor.peek() === undefined) return this.load()
    this.recheck()
    await this.file.look()
  }

  #take(text: string): void {
    this.text.value = text
    this.isChecking.value = true
    this.effects.expire()
    this.#check.ask(TYPING)
  }

  async #checkNow(isSuperseded: () => boolean): Promise<void> {
    try {
      const { problems } = await this.api.check(this.canEdit.peek() ? { text: this.text.peek() } : {})
      if (isSuperseded()) return
      this.problems.value = problems
      this.checkFailure.value = undefined
      this.editor.peek()?.setProblems(problems.filter(({ file }) => file === this.file.path))
      this.effects.refresh()
    } catch (error) {
      if (isSuperseded()) return
      this.checkFailure.value = failureOf(error)
    }
    this.isChecking.value = false
  }

  /** What cannot be asked has no completion. */
  async #complete(text: string, offset: number): Promise<CompleteAnswer | undefined> {
    return this.api.complete({ text, offset }).catch(() => undefined)
  }

  async #describe(text: string, offset: number): Promise<DescribeAnswer | undefined> {
    return this.api.describe({ text, offset }).catch(() => undefined)
  }
}

/** Milliseconds without a key before a text is checked. */
const TYPING = 250

const opened = new Map<string, WorkbenchState>()

/** The workbench of a pipeline, with what was typed there before. */
export function workbenchOf(name: string): WorkbenchState {
  const known = opened.get(name) ?? new WorkbenchState(name)
  opened.set(name, known)
  return known
}

/** A text of any workbench is not saved. */
export function isAnythingUnsaved(): boolean {
  return [...opened.values()].some(({ file }) => file.isChanged.peek())
}
