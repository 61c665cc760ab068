import { useSignal } from '@preact/signals'
import { diffLines } from 'diff'
import type { JSX } from 'preact'
import { safe } from '../format.ts'
import { Rows } from '../parts/rows.tsx'
import { announce } from '../state/connection.ts'
import type { WorkbenchState } from '../state/workbench.ts'
import { withLineFeeds } from './open-file.ts'

/** The file has changed on the disk. Nothing is lost: neither what is typed, nor what is there. */
export function DiskBanner({ state }: { readonly state: WorkbenchState }): JSX.Element | null {
  const isOpen = useSignal(false)
  const { file, canEdit } = state
  const onDisk = file.onDisk.value
  if (onDisk === undefined) return null
  const load = (): void => {
    state.replace(file.open(onDisk))
    state.recheck()
    announce('Loaded again. Undo brings back what was typed.')
  }
  return (
    <section class="disk-banner" aria-label="The file has changed on the disk" role="alert">
      <p>
        <strong>The file has changed on the disk since it was opened here.</strong>{' '}
        {file.isChanged.value ? 'What you have typed is not saved, and still here.' : ''}
      </p>
      <div class="toolbar">
        <button type="button" aria-expanded={isOpen.value} onClick={() => (isOpen.value = !isOpen.value)}>
          {isOpen.value ? 'Hide the difference' : 'See the difference'}
        </button>
        <button type="button" onClick={load}>
          Load it again
        </button>
        {canEdit.value && (
          <button type="button" onClick={() => file.keep()}>
            Keep what is in the editor
          </button>
        )}
        <span class="faint">
          {canEdit.value &&
            'After loading, undo brings back what you have typed. After keeping, Save replaces the file.'}
        </span>
      </div>
      {isOpen.value && <Difference disk={withLineFeeds(onDisk.text)} typed={state.text.value} />}
    </section>
  )
}

/** `-` is on the disk only, `+` is in the editor only. */
function Difference({ disk, typed }: { readonly disk: string; readonly typed: string }): JSX.Element {
  const rows = diffLines(disk, typed).flatMap(({ added, removed, value }) =>
    value
      .replace(/\n$/, '')
      .split('\n')
      .map((text) => ({ sign: added ? '+' : removed ? '-' : ' ', text })),
  )
  return (
    <Rows
      rows={rows}
      height={22}
      label="Difference: minus is on the disk, plus is in the editor"
      render={({ sign, text }, at) => (
        <div
          key={at}
          class={`effect-row is-line code${sign === '+' ? ' is-added' : sign === '-' ? ' is-removed' : ''}`}
        >
          <span class="sign">{sign}</span>
          {safe(text)}
        </div>
      )}
    />
  )
}
