import type { JSX } from 'preact'
import { safe } from '../format.ts'

interface TextProps {
  readonly text: string
  /** One line with an ellipsis; the whole is in the title. Otherwise it wraps anywhere. */
  readonly isCut?: boolean
  readonly isCode?: boolean
}

/** Text that may come from anywhere: a name, a key, an error. */
export function Text({ text, isCut = false, isCode = false }: TextProps): JSX.Element {
  const shown = safe(text)
  const classes = `${isCut ? 'cut' : 'wraps'}${isCode ? ' code' : ''}`
  return (
    <span class={classes} title={isCut ? shown : undefined}>
      {shown}
    </span>
  )
}
