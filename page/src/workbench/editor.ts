import { completionKeymap } from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap, indentWithTab, isolateHistory } from '@codemirror/commands'
import { yaml } from '@codemirror/lang-yaml'
import { bracketMatching, indentOnInput, indentUnit } from '@codemirror/language'
import { lintGutter, nextDiagnostic, previousDiagnostic, setDiagnostics } from '@codemirror/lint'
import type { Diagnostic } from '@codemirror/lint'
import { search, searchKeymap } from '@codemirror/search'
import { EditorState } from '@codemirror/state'
import type { Extension, Text } from '@codemirror/state'
import {
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  keymap,
  lineNumbers,
} from '@codemirror/view'
import type { ApiProblem } from '../../../src/ui/api.ts'
import { safe } from '../format.ts'
import { completion } from './completion.ts'
import type { Complete } from './completion.ts'
import { documentation } from './documentation.ts'
import type { Describe } from './documentation.ts'
import { editorTheme } from './editor-theme.ts'

interface EditorOptions {
  /** Its lines end with line feeds. */
  readonly text: string
  readonly isReadOnly: boolean
  readonly changed: (text: string) => void
  readonly complete: Complete
  readonly describe: Describe
}

/**
 * An editor for a pipeline file. It is an element of its own that can leave the page and return, with its text,
 * its cursor and its history. The editor is in a shadow root, where its styles need no style element: the policy
 * of the page has no inline styles.
 */
export class Editor {
  readonly element = document.createElement('div')
  readonly #view: EditorView

  constructor({ text, isReadOnly, changed, complete, describe }: EditorOptions) {
    this.element.className = 'editor-host'
    const root = this.element.attachShadow({ mode: 'open' })
    const hint = document.createElement('p')
    hint.id = 'hint'
    hint.className = 'cm-editor-hint'
    hint.textContent = isReadOnly
      ? 'Read-only. F1 shows documentation.'
      : 'Tab indents: press Escape, then Tab, to leave. Control and space completes, F1 shows documentation.'
    this.#view = new EditorView({
      root,
      parent: root,
      state: EditorState.create({
        doc: text,
        extensions: [
          isReadOnly ? readOnly() : writable(complete),
          documentation(describe),
          EditorView.contentAttributes.of({
            'aria-label': 'Pipeline file',
            'aria-describedby': hint.id,
            'aria-multiline': 'true',
            tabindex: '0',
          }),
          EditorView.updateListener.of(({ docChanged, state }) => {
            if (docChanged) changed(state.doc.toString())
          }),
          common(),
        ],
      }),
    })
    // Styles reach it only within the editor.
    this.#view.dom.append(hint)
  }

  /** Replaces the text as one change, which undo takes back, and shows a line. */
  replace(text: string, line?: number): void {
    const before = this.#view.state.doc.toString()
    const from = commonStart(before, text)
    const end = commonEnd(before, text, from)
    this.#view.dispatch({
      changes: { from, to: before.length - end, insert: text.slice(from, text.length - end) },
      annotations: isolateHistory.of('full'),
      userEvent: 'input.replace',
    })
    if (line !== undefined) this.jump(line)
  }

  /** Moves the cursor there and shows it. Both numbers begin with 1. */
  jump(line: number, column = 1): void {
    const at = placeIn(this.#view.state.doc, line, column)
    this.#view.dispatch({ selection: { anchor: at }, effects: EditorView.scrollIntoView(at, { y: 'center' }) })
    this.#view.focus()
  }

  /** Problems of this file, in place of those before. */
  setProblems(problems: readonly ApiProblem[]): void {
    const { doc } = this.#view.state
    const diagnostics = problems.map((problem) => diagnosticOf(problem, doc))
    this.#view.dispatch(setDiagnostics(this.#view.state, diagnostics))
  }
}

function readOnly(): Extension {
  return [EditorState.readOnly.of(true), EditorView.contentAttributes.of({ 'aria-readonly': 'true' })]
}

function writable(complete: Complete): Extension {
  return [history(), indentOnInput(), completion(complete), keymap.of([...completionKeymap, ...historyKeymap])]
}

function common(): Extension {
  return [
    yaml(),
    lineNumbers(),
    lintGutter(),
    highlightActiveLine(),
    highlightActiveLineGutter(),
    // The same as `safe`, which Preact's texts go through.
    highlightSpecialChars({ specialChars: SPECIAL }),
    bracketMatching(),
    indentUnit.of('  '),
    search({ top: true }),
    keymap.of([
      { key: 'F8', run: nextDiagnostic, shift: previousDiagnostic },
      ...searchKeymap,
      ...defaultKeymap,
      indentWithTab,
    ]),
    editorTheme(),
  ]
}

// oxlint-disable-next-line no-control-regex -- finds control characters
const SPECIAL = /(?![\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

const SEVERITIES = { error: 'error', warning: 'warning', note: 'info' } as const

function diagnosticOf({ severity, line, column, length, message, hint }: ApiProblem, doc: Text): Diagnostic {
  const from = placeIn(doc, line, column)
  return {
    from,
    to: Math.min(doc.length, from + length),
    severity: SEVERITIES[severity],
    message: safe(hint === undefined ? message : `${message}. ${hint}`),
  }
}

/** Within the text, whatever the numbers are: it may have changed meanwhile. */
function placeIn(doc: Text, line: number, column: number): number {
  const { from, to } = doc.line(Math.min(Math.max(1, line), doc.lines))
  return Math.min(to, from + Math.max(0, column - 1))
}

function commonStart(one: string, other: string): number {
  const most = Math.min(one.length, other.length)
  let at = 0
  while (at < most && one[at] === other[at]) at++
  return at
}

/** @param start characters that the start has in common */
function commonEnd(one: string, other: string, start: number): number {
  const most = Math.min(one.length, other.length) - start
  let at = 0
  while (at < most && one[one.length - 1 - at] === other[other.length - 1 - at]) at++
  return at
}
