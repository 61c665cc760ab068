import { StateEffect, StateField } from '@codemirror/state'
import type { Extension } from '@codemirror/state'
import { EditorView, hoverTooltip, keymap, showTooltip } from '@codemirror/view'
import type { Tooltip } from '@codemirror/view'
import type { DescribeAnswer } from '../../../src/ui/workbench/api.ts'
import { safe } from '../format.ts'
import { aboutElement } from './about.ts'
import { proseOf } from './prose.tsx'

/** The documentation of what is at a place; undefined if there is none. */
export type Describe = (text: string, offset: number) => Promise<DescribeAnswer | undefined>

/** Shows documentation below the pointer, and with F1 at the cursor. */
export function documentation(describe: Describe): Extension {
  const tooltipAt = async (view: EditorView, at: number): Promise<Tooltip | null> => {
    const { doc } = view.state
    const answer = await describe(doc.toString(), at)
    if (answer?.about === undefined || view.state.doc !== doc) return null
    const { title, about } = answer
    return {
      pos: Math.min(answer.from, doc.length),
      end: Math.min(answer.to, doc.length),
      above: true,
      create: () => ({ dom: aboutElement(title, about) }),
    }
  }
  const showAtCursor = async (view: EditorView): Promise<void> => {
    const { doc, selection } = view.state
    const answer = await describe(doc.toString(), selection.main.head)
    if (view.state.doc !== doc) return
    const about = answer?.about
    if (answer === undefined || about === undefined) {
      view.dispatch({ effects: EditorView.announce.of('No documentation here') })
      return
    }
    view.dispatch({
      effects: [
        show.of({
          pos: selection.main.head,
          above: true,
          create: () => ({ dom: aboutElement(answer.title, about) }),
        }),
        EditorView.announce.of(
          safe(
            `${answer.title ?? ''} ${proseOf(about)
              .map(({ text }) => text)
              .join('')}`,
          ),
        ),
      ],
    })
  }
  return [
    hoverTooltip(tooltipAt, { hideOnChange: true }),
    shown,
    keymap.of([
      {
        key: 'F1',
        preventDefault: true,
        run: (view) => {
          void showAtCursor(view)
          return true
        },
      },
      {
        key: 'Escape',
        run: (view) => {
          if (view.state.field(shown) === null) return false
          view.dispatch({ effects: show.of(null) })
          return true
        },
      },
    ]),
  ]
}

const show = StateEffect.define<Tooltip | null>()

/** Until something is typed, or the cursor moves. */
const shown = StateField.define<Tooltip | null>({
  create: () => null,
  update: (value, transaction) => {
    for (const effect of transaction.effects) if (effect.is(show)) return effect.value
    return transaction.docChanged || transaction.selection !== undefined ? null : value
  },
  provide: (field) => showTooltip.from(field),
})
