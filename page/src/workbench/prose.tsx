import type { JSX } from 'preact'
import { safe } from '../format.ts'

interface ProsePart {
  readonly text: string
  readonly isCode: boolean
}

/** Parts of a text of the documentation: code is between backticks, and of a link the words are left. */
export function proseOf(text: string): ProsePart[] {
  return text
    .replace(/\[([^\]\n]+)\]\([^)\s]+\)/g, '$1')
    .split('`')
    .map((part, at) => ({ text: part.split('\n').map(safe).join('\n'), isCode: at % 2 === 1 }))
    .filter((part) => part.text !== '')
}

export function Prose({ text }: { readonly text: string }): JSX.Element {
  return <>{proseOf(text).map((part) => (part.isCode ? <code>{part.text}</code> : part.text))}</>
}
