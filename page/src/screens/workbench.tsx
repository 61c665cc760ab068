import '../styles/workbench.css'
import type { JSX } from 'preact'
import { useEffect } from 'preact/hooks'
import { safe } from '../format.ts'
import { Failure, Loading } from '../parts/failure.tsx'
import { changeQuery, pathOfPipeline, valueOf } from '../route.ts'
import { isAnythingUnsaved, workbenchOf } from '../state/workbench.ts'
import type { WorkbenchState } from '../state/workbench.ts'
import { ComponentsView } from '../workbench/components-view.tsx'
import { DiskBanner } from '../workbench/disk-banner.tsx'
import { EditorPanel } from '../workbench/editor-panel.tsx'
import { EffectsView } from '../workbench/effects-view.tsx'
import { RequestFailure } from '../workbench/request-failure.tsx'
import { canSave, SaveBar } from '../workbench/save-bar.tsx'
import { TestsView } from '../workbench/tests-view.tsx'

/** The file of a pipeline in an editor, and what it does with samples while it is typed. */
export function Workbench({ name }: { readonly name: string }): JSX.Element {
  const state = workbenchOf(name)
  const editor = state.editor.value
  const failure = state.failure.value
  useEffect(() => follow(state), [state])
  return (
    <>
      <div class="screen-head">
        <h1 tabIndex={-1} class="wraps">
          {safe(name)}: workbench
        </h1>
        <a href={pathOfPipeline(name)}>Pipeline</a>
        {editor !== undefined && <SaveBar state={state} />}
      </div>
      {editor === undefined && failure !== undefined && <Failure failure={failure} />}
      {editor === undefined && failure === undefined && <Loading what="the pipeline file" />}
      {editor !== undefined && (
        <>
          <DiskBanner state={state} />
          {state.file.failure.value !== undefined && (
            <RequestFailure title="Not saved; nothing typed is lost." failure={state.file.failure.value} />
          )}
          <div class="workbench">
            <EditorPanel state={state} editor={editor} />
            <Side state={state} />
          </div>
        </>
      )}
    </>
  )
}

/** Keys and moments of the whole window. Returns a function that ends it. */
function follow(state: WorkbenchState): () => void {
  const ended = new AbortController()
  const { signal: stopped } = ended
  const look = (): void => {
    if (!document.hidden) void state.file.look()
  }
  if (state.editor.peek() === undefined) void state.load()
  else look()
  // The first screen has its heading at once, and this one only when it is loaded.
  if (document.activeElement === document.body) document.querySelector('h1')?.focus({ preventScroll: true })
  addEventListener('focus', look, { signal: stopped })
  document.addEventListener('visibilitychange', look, { signal: stopped })
  addEventListener(
    'keydown',
    (event) => {
      if (event.key !== 's' || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return
      event.preventDefault()
      if (canSave(state)) void state.file.save()
    },
    { signal: stopped },
  )
  return () => ended.abort()
}

// Other screens leave the texts as they are; leaving the page would lose them.
addEventListener('beforeunload', (event) => {
  if (isAnythingUnsaved()) event.preventDefault()
})

const VIEWS = [
  { view: '', title: 'Effects' },
  { view: 'tests', title: 'Tests' },
  { view: 'components', title: 'Components' },
] as const

function Side({ state }: { readonly state: WorkbenchState }): JSX.Element {
  const wanted = valueOf('view')
  const shown = VIEWS.find(({ view }) => view === wanted)?.view ?? ''
  return (
    <section class="panel side" aria-label="Effects, tests and components">
      <fieldset class="choice">
        <legend class="unseen">Shown</legend>
        {VIEWS.map(({ view, title }) => (
          <label key={view}>
            <input type="radio" name="view" checked={view === shown} onChange={() => changeQuery({ view }, true)} />
            <span>{title}</span>
          </label>
        ))}
      </fieldset>
      <div hidden={shown !== ''}>
        <EffectsView state={state} />
      </div>
      {shown === 'tests' && <TestsView state={state} />}
      {shown === 'components' && <ComponentsView state={state} />}
    </section>
  )
}
