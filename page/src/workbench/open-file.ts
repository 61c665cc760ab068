import { batch, computed, signal } from '@preact/signals'
import type { ReadonlySignal } from '@preact/signals'
import type { PipelineFile } from '../../../src/ui/workbench/api.ts'
import type { ApiFailure } from '../api.ts'
import { announce } from '../state/connection.ts'
import type { WorkbenchApi } from './api.ts'
import { failureOf } from './failure-of.ts'

interface OpenFileOptions {
  readonly api: WorkbenchApi
  /** As the editor has it, with line feeds. */
  readonly text: ReadonlySignal<string>
}

/** The file of an editor: what of it is saved, and whether somebody else has changed it. */
export class OpenFile {
  readonly #api: WorkbenchApi
  readonly #text: ReadonlySignal<string>
  /** As it was loaded or saved last. */
  readonly #saved = signal<PipelineFile | undefined>(undefined)
  readonly isSaving = signal(false)
  readonly failure = signal<ApiFailure | undefined>(undefined)
  /** The file as it is on the disk, if it has changed since it was loaded or saved here. */
  readonly onDisk = signal<PipelineFile | undefined>(undefined)
  readonly isChanged = computed(() => {
    const saved = this.#saved.value
    return saved !== undefined && this.#text.value !== withLineFeeds(saved.text)
  })

  constructor({ api, text }: OpenFileOptions) {
    this.#api = api
    this.#text = text
  }

  /** Below the project folder. */
  get path(): string {
    return this.#saved.value?.path ?? ''
  }

  /** Takes a file as loaded. Returns its text for the editor. */
  open(file: PipelineFile): string {
    batch(() => {
      this.#saved.value = file
      this.onDisk.value = undefined
      this.failure.value = undefined
    })
    return withLineFeeds(file.text)
  }

  async save(): Promise<void> {
    const saved = this.#saved.peek()
    if (saved === undefined || this.isSaving.peek()) return
    this.isSaving.value = true
    try {
      const text = this.#text.peek()
      this.open(
        await this.#api.save({
          text: hasCrlf(saved.text) ? text.replaceAll('\n', '\r\n') : text,
          version: saved.version,
        }),
      )
      announce('Saved')
    } catch (error) {
      const failure = failureOf(error)
      if (failure.status === CONFLICT) await this.look()
      else this.failure.value = failure
      announce(`Not saved: ${failure.message}`)
    } finally {
      this.isSaving.value = false
    }
  }

  /** Finds out whether the file has changed on the disk. */
  async look(): Promise<void> {
    const saved = this.#saved.peek()
    if (saved === undefined) return
    try {
      const file = await this.#api.file()
      if (this.#saved.peek() !== saved) return
      this.onDisk.value = file.version === saved.version ? undefined : file
    } catch {
      // Saving finds out as well.
    }
  }

  /** Keeps what is typed: saving replaces what is on the disk. */
  keep(): void {
    const file = this.onDisk.peek()
    if (file !== undefined) this.open(file)
  }
}

/** HTTP status of a save that would replace a change of somebody else. */
const CONFLICT = 409

/** As the editor has it. */
export function withLineFeeds(text: string): string {
  return text.replaceAll(/\r\n?/g, '\n')
}

function hasCrlf(text: string): boolean {
  return text.includes('\r\n')
}
