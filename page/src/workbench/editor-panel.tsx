import type { JSX } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'
import type { ApiProblem } from '../../../src/ui/api.ts'
import { plural, safe } from '../format.ts'
import { Problem } from '../parts/problems.tsx'
import type { WorkbenchState } from '../state/workbench.ts'
import type { Editor } from './editor.ts'
import { RequestFailure } from './request-failure.tsx'

interface EditorPanelProps {
  readonly state: WorkbenchState
  readonly editor: Editor
}

/** The file in an editor, and what is wrong with it. */
export function EditorPanel({ state, editor }: EditorPanelProps): JSX.Element {
  const frame = useRef<HTMLDivElement>(null)
  useLayoutEffect(() => frame.current?.append(editor.element), [editor])
  return (
    <section class="panel editor-panel" aria-labelledby="editor-title">
      <header class="panel-head">
        <h2 id="editor-title" class="wraps">
          {safe(state.file.path)}
        </h2>
        <CheckNote state={state} />
      </header>
      <div class="editor-frame" ref={frame} />
      <p class="editor-keys faint">
        {state.canEdit.value && (
          <>
            <kbd>Ctrl-Space</kbd> completes ·{' '}
          </>
        )}
        <kbd>F1</kbd> documentation · <kbd>F8</kbd> next problem · <kbd>Ctrl-F</kbd> search
        {state.canEdit.value && (
          <>
            {' '}
            · <kbd>Esc</kbd> <kbd>Tab</kbd> leaves
          </>
        )}
      </p>
      <ProblemList state={state} editor={editor} />
    </section>
  )
}

function CheckNote({ state }: { readonly state: WorkbenchState }): JSX.Element {
  const problems = state.problems.value
  const text = state.isChecking.value ? 'Checking…' : problems === undefined ? 'Not checked' : countsOf(problems)
  return <div class="panel-note">{text}</div>
}

function countsOf(problems: readonly ApiProblem[]): string {
  const counts = (['error', 'warning', 'note'] as const)
    .map((severity) => ({ severity, count: problems.filter((problem) => problem.severity === severity).length }))
    .filter(({ count }) => count > 0)
  return counts.length === 0 ? 'No problems' : counts.map(({ severity, count }) => plural(count, severity)).join(', ')
}

function ProblemList({ state, editor }: EditorPanelProps): JSX.Element {
  const failure = state.checkFailure.value
  const problems = state.problems.value ?? []
  return (
    <div class="editor-problems" role="region" aria-label="Problems" tabIndex={problems.length > 0 ? 0 : undefined}>
      {failure !== undefined && (
        <RequestFailure title="The text could not be checked; nothing typed is lost." failure={failure} />
      )}
      <ul class="problems">
        {problems.map((problem) => (
          <Problem
            key={`${problem.file}:${problem.line}:${problem.column} ${problem.message}`}
            problem={problem}
            place={problem.file === state.file.path ? <Place problem={problem} editor={editor} /> : undefined}
          />
        ))}
      </ul>
    </div>
  )
}

function Place({
  problem: { line, column },
  editor,
}: {
  readonly problem: ApiProblem
  readonly editor: Editor
}): JSX.Element {
  return (
    <button type="button" class="link" onClick={() => editor.jump(line, column)}>
      line {line}, column {column}
    </button>
  )
}
