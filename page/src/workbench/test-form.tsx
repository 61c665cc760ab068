import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useRef } from 'preact/hooks'
import type { ApiFailure } from '../api.ts'
import { announce } from '../state/connection.ts'
import type { WorkbenchState } from '../state/workbench.ts'
import { failureOf } from './failure-of.ts'
import { RequestFailure } from './request-failure.tsx'

interface TestFormProps {
  readonly state: WorkbenchState
  /** Number of the record, from 0. */
  readonly record: number
}

/** Makes a test of a record and what becomes of it. */
export function TestForm({ state, record }: TestFormProps): JSX.Element {
  const isOpen = useSignal(false)
  const failure = useSignal<ApiFailure | undefined>(undefined)
  const name = useRef<HTMLInputElement>(null)
  const add = async (): Promise<void> => {
    const sample = state.effects.sample.peek()?.sample
    const given = name.current?.value.trim() ?? ''
    if (sample === undefined || given === '') return
    const before = state.text.peek()
    try {
      const { text, line } = await state.api.addTest({ text: before, sample, records: [record], name: given })
      if (state.text.peek() !== before) throw new Error('the text has changed meanwhile: add the test again')
      failure.value = undefined
      isOpen.value = false
      state.replace(text, line)
      announce('The test is in the editor')
    } catch (error) {
      failure.value = failureOf(error)
    }
  }
  if (!isOpen.value)
    return (
      <button type="button" onClick={() => (isOpen.value = true)}>
        Make a test of this record
      </button>
    )
  return (
    <form
      class="test-form"
      onSubmit={(event) => {
        event.preventDefault()
        void add()
      }}
    >
      <label>
        Name of the test <input type="text" ref={name} required autoFocus placeholder="a login is masked" />
      </label>
      <button type="submit" class="primary">
        Add the test
      </button>
      <button type="button" onClick={() => (isOpen.value = false)}>
        Cancel
      </button>
      {failure.value !== undefined && <RequestFailure title="No test was added:" failure={failure.value} />}
    </form>
  )
}
