import { useSignal } from '@preact/signals'
import type { Signal } from '@preact/signals'
import type { JSX } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'
import type { SampleRequest } from '../../../src/ui/workbench/api.ts'
import type { ApiFailure } from '../api.ts'
import { safe } from '../format.ts'
import { changeQuery } from '../route.ts'
import type { WorkbenchState } from '../state/workbench.ts'
import { failureOf } from './failure-of.ts'
import { RequestFailure } from './request-failure.tsx'
import { addressOf, FIRST } from './sample-address.ts'

interface SampleDialogProps {
  readonly state: WorkbenchState
  readonly isOpen: Signal<boolean>
}

type Kind = 'pasted' | 'file' | 'source' | 'recording'

/** Chooses samples. What was entered stays until the page is loaded again. */
export function SampleDialog({ state, isOpen }: SampleDialogProps): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null)
  const form = useRef<HTMLFormElement>(null)
  const kind = useSignal<Kind>('pasted')
  const isBusy = useSignal(false)
  const failure = useSignal<ApiFailure | undefined>(undefined)
  useLayoutEffect(() => {
    if (isOpen.value) dialog.current?.showModal()
    else dialog.current?.close()
  }, [isOpen.value])
  const take = async (): Promise<void> => {
    if (form.current === null || isBusy.peek()) return
    isBusy.value = true
    try {
      const request = requestOf(kind.peek(), new FormData(form.current))
      // Another screen may be shown when they are there.
      if ((await state.effects.choose(request)) && form.current !== null)
        changeQuery({ ...addressOf(request), from: '', record: '' }, true)
      failure.value = undefined
      isOpen.value = false
    } catch (error) {
      failure.value = failureOf(error)
    } finally {
      isBusy.value = false
    }
  }
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby="sample-title" onClose={() => (isOpen.value = false)}>
      <form
        ref={form}
        onSubmit={(event) => {
          event.preventDefault()
          void take()
        }}
      >
        <h2 id="sample-title">Sample records</h2>
        <fieldset class="choice">
          <legend class="unseen">Where they are from</legend>
          {KINDS.map(({ value, title, needsEdit }) => (
            <label key={value}>
              <input
                type="radio"
                name="kind"
                value={value}
                checked={kind.value === value}
                disabled={needsEdit && !state.canEdit.value}
                onChange={() => (kind.value = value)}
              />
              <span>{title}</span>
            </label>
          ))}
        </fieldset>
        {!state.canEdit.value && <p class="faint">This page is read-only: it does not read the live source.</p>}
        <Fields kind={kind.value} tests={state.tests.answer.value?.tests.map(({ name }) => name) ?? []} />
        {failure.value !== undefined && <RequestFailure title="No samples were taken:" failure={failure.value} />}
        <p class="dialog-buttons">
          <button type="submit" class="primary" disabled={isBusy.value}>
            {isBusy.value ? 'Reading…' : 'Take these'}
          </button>
          <button type="button" onClick={() => (isOpen.value = false)}>
            Cancel
          </button>
        </p>
      </form>
    </dialog>
  )
}

const KINDS: readonly { readonly value: Kind; readonly title: string; readonly needsEdit: boolean }[] = [
  { value: 'pasted', title: 'Pasted text', needsEdit: false },
  { value: 'file', title: 'A file', needsEdit: false },
  { value: 'source', title: 'The live source', needsEdit: true },
  { value: 'recording', title: 'A recorded test', needsEdit: false },
]

/** All are there, and only those of the kind are seen: a text that was pasted stays. */
function Fields({ kind, tests }: { readonly kind: Kind; readonly tests: readonly string[] }): JSX.Element {
  return (
    <>
      <label class="field" hidden={kind !== 'pasted'}>
        Records as NDJSON: one JSON object on each line
        <textarea name="pasted" rows={10} spellcheck={false} />
      </label>
      <label class="field" hidden={kind !== 'file'}>
        Path below the project folder
        <input
          type="text"
          name="file"
          required={kind === 'file'}
          spellcheck={false}
          placeholder="samples/events.ndjson"
        />
      </label>
      <label class="field" hidden={kind !== 'file'}>
        Path of the records, if the file is one JSON document (optional)
        <input type="text" name="records" spellcheck={false} placeholder="response.items" />
      </label>
      <label class="field" hidden={kind !== 'recording'}>
        Name of the test
        <input type="text" name="recording" required={kind === 'recording'} spellcheck={false} list="test-names" />
        <datalist id="test-names">
          {tests.map((test) => (
            <option key={test} value={test}>
              {safe(test)}
            </option>
          ))}
        </datalist>
      </label>
      <label class="field" hidden={kind === 'pasted'}>
        Records at most
        <input type="number" name="first" min={1} max={100_000} step={1} value={FIRST} required={kind !== 'pasted'} />
      </label>
    </>
  )
}

function requestOf(kind: Kind, form: FormData): SampleRequest {
  const value = (name: string): string => {
    const given = form.get(name)
    return typeof given === 'string' ? given : ''
  }
  const first = Number(value('first')) || FIRST
  if (kind === 'pasted') return { pasted: value('pasted') }
  if (kind === 'source') return { source: true, first }
  if (kind === 'recording') return { recording: value('recording'), first }
  const records = value('records').trim()
  return { file: value('file').trim(), first, ...(records !== '' && { records }) }
}
