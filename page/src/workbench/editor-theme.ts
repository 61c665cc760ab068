import { HighlightStyle, syntaxHighlighting } from '@codemirror/language'
import type { Extension } from '@codemirror/state'
import { EditorView } from '@codemirror/view'
import { tags } from '@lezer/highlight'

/** The colours are those of the page, light and dark: custom properties reach into a shadow root. */
export function editorTheme(): Extension {
  return [EditorView.theme(RULES), syntaxHighlighting(HighlightStyle.define(SYNTAX))]
}

const FRAME = { border: '1px solid var(--line)', backgroundColor: 'var(--panel)', color: 'var(--text)' }
const CONTROL = {
  ...FRAME,
  borderColor: 'var(--line-strong)',
  backgroundImage: 'none',
  borderRadius: '4px',
  fontSize: '13px',
}
/** The images of the library are data: URLs, which the policy of the page refuses. */
const NO_IMAGE = { backgroundImage: 'none', textDecorationLine: 'underline', textDecorationStyle: 'wavy' }
const sign = (text: string, color: string) => ({ content: `"${text}"`, color, fontSize: '11px', lineHeight: '18px' })

const RULES = {
  '&': { height: '100%', backgroundColor: 'var(--panel)', color: 'var(--text)', fontSize: '13px' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': {
    fontFamily: 'ui-monospace, SFMono-Regular, Menlo, Consolas, monospace',
    lineHeight: '18px',
    overflow: 'auto',
  },
  '.cm-content': { caretColor: 'var(--text)' },
  '.cm-content ::selection, .cm-line::selection': { backgroundColor: 'var(--selection)' },
  '.cm-gutters': { backgroundColor: 'var(--panel)', color: 'var(--faint)', borderRight: '1px solid var(--line)' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'var(--accent-faint)' },
  '.cm-matchingBracket, &.cm-focused .cm-matchingBracket': {
    backgroundColor: 'transparent',
    outline: '1px solid var(--accent)',
  },
  '.cm-nonmatchingBracket, &.cm-focused .cm-nonmatchingBracket': {
    backgroundColor: 'transparent',
    outline: '1px solid var(--error)',
  },
  '.cm-specialChar': { color: 'var(--error)' },
  '.cm-lintRange-error': { ...NO_IMAGE, textDecorationColor: 'var(--error)' },
  '.cm-lintRange-warning': { ...NO_IMAGE, textDecorationColor: 'var(--warning)' },
  '.cm-lintRange-info': { ...NO_IMAGE, textDecorationColor: 'var(--line-strong)' },
  '.cm-lintPoint:after': { borderBottomColor: 'var(--error)' },
  '.cm-lint-marker.cm-lint-marker': { content: 'normal', width: '14px', height: '18px', textAlign: 'center' },
  '.cm-lint-marker-error:before': sign('●', 'var(--error)'),
  '.cm-lint-marker-warning:before': sign('▲', 'var(--warning)'),
  '.cm-lint-marker-info:before': sign('■', 'var(--faint)'),
  '.cm-diagnostic': { fontFamily: 'system-ui, sans-serif', maxWidth: '520px', borderLeftColor: 'var(--error)' },
  '.cm-diagnostic-warning': { borderLeftColor: 'var(--warning)' },
  '.cm-diagnostic-info': { borderLeftColor: 'var(--line-strong)' },
  '.cm-tooltip': { ...FRAME, borderColor: 'var(--line-strong)', borderRadius: '4px', zIndex: '4' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul': { fontFamily: 'inherit', maxWidth: '90vw' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li': { padding: '1px 6px' },
  '.cm-tooltip-autocomplete ul li[aria-selected]': { background: 'var(--good-back)', color: 'var(--text)' },
  '.cm-completionMatchedText': { color: 'var(--accent)', textDecoration: 'none' },
  '.cm-completionDetail': { color: 'var(--faint)', fontStyle: 'normal' },
  '.cm-completionInfo': { maxWidth: '420px' },
  '.cm-about': { padding: '6px 10px', maxWidth: '520px', fontFamily: 'system-ui, sans-serif', whiteSpace: 'pre-wrap' },
  '.cm-completionInfo .cm-about': { padding: '2px 0' },
  '.cm-panels': { backgroundColor: 'var(--plain-back)', color: 'var(--text)' },
  '.cm-panels.cm-panels-top': { borderBottom: '1px solid var(--line)' },
  '.cm-panel.cm-search label': { fontSize: '13px' },
  '.cm-textfield': CONTROL,
  '.cm-button, .cm-button:active': CONTROL,
  '.cm-panel.cm-search [name=close]': { color: 'var(--text)', fontSize: '18px' },
  '.cm-searchMatch': { backgroundColor: 'var(--warning-back)' },
  '.cm-searchMatch.cm-searchMatch-selected': { backgroundColor: 'var(--selection)' },
  '.cm-editor-hint': { position: 'absolute', width: '1px', height: '1px', overflow: 'hidden' },
}

/** Keys stand out, comments stand back. */
const SYNTAX = [
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: 'var(--accent)' },
  { tag: tags.comment, color: 'var(--faint)', fontStyle: 'italic' },
  { tag: [tags.labelName, tags.typeName, tags.meta], color: 'var(--warning)' },
]
