import { autocompletion, closeBrackets, closeBracketsKeymap } from '@codemirror/autocomplete'
import type { Completion, CompletionContext, CompletionResult } from '@codemirror/autocomplete'
import { keymap } from '@codemirror/view'
import type { Extension } from '@codemirror/state'
import type { CompleteAnswer } from '../../../src/ui/workbench/api.ts'
import { safe } from '../format.ts'
import { aboutElement } from './about.ts'

/** What may be written at a place; undefined if that is not known. */
export type Complete = (text: string, offset: number) => Promise<CompleteAnswer | undefined>

/** Offers what the server knows, while typing and with Ctrl-Space. */
export function completion(complete: Complete): Extension {
  const source = async (context: CompletionContext): Promise<CompletionResult | null> => {
    // A space ends a word: only a new line, a word, or the key for it ask.
    const before = context.matchBefore(/(^|\n)\s*(- )?|[\w.-]+|:\s/)
    if (!context.explicit && before === null) return null
    const answer = await complete(context.state.doc.toString(), context.pos)
    if (answer === undefined || context.aborted || answer.options.length === 0) return null
    const rest = answer.to - context.pos
    return {
      from: answer.from,
      options: answer.options.map((option) => optionOf(option, rest)),
      validFor: /^[\w.-]*$/,
    }
  }
  return [
    autocompletion({ override: [source], icons: false, activateOnTypingDelay: 150 }),
    closeBrackets(),
    keymap.of(closeBracketsKeymap),
  ]
}

/** @param rest characters after the cursor that are replaced too */
function optionOf({ label, insert, kind, detail, about }: CompleteAnswer['options'][number], rest: number): Completion {
  return {
    label,
    displayLabel: safe(label),
    type: kind,
    ...(detail !== undefined && { detail: safe(detail) }),
    ...(about !== undefined && { info: () => aboutElement(undefined, about) }),
    apply: (view, _completion, from, to) => {
      const end = Math.min(view.state.doc.length, to + Math.max(0, rest))
      view.dispatch({
        changes: { from, to: end, insert },
        selection: { anchor: from + insert.length },
        userEvent: 'input.complete',
      })
    },
  }
}
