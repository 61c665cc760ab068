import type { JSX } from 'preact'
import type { WorkbenchState } from '../state/workbench.ts'

/** Says whether the text is saved, and saves it. */
export function SaveBar({ state }: { readonly state: WorkbenchState }): JSX.Element {
  const { file, canEdit } = state
  if (!canEdit.value)
    return (
      <p class="save-bar faint">
        Read-only. <code>sluice ui --edit</code> lets you change the file and try what you type.
      </p>
    )
  const isChanged = file.isChanged.value
  return (
    <div class="save-bar">
      <span class={isChanged ? 'is-warning' : 'faint'}>
        {file.isSaving.value ? 'Saving…' : isChanged ? 'Unsaved changes' : 'Saved'}
      </span>
      <button
        type="button"
        class="primary"
        disabled={!canSave(state)}
        title={state.hasErrors.value ? 'The file has errors' : 'Ctrl-S'}
        onClick={() => void file.save()}
      >
        Save
      </button>
    </div>
  )
}

export function canSave({ file, canEdit, hasErrors }: WorkbenchState): boolean {
  return (
    canEdit.value && file.isChanged.value && !file.isSaving.value && !hasErrors.value && file.onDisk.value === undefined
  )
}
