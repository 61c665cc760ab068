import { AT } from '../detect/find-emails.ts'

export interface Kept {
  /** Characters (Unicode code points) that stay at the start. */
  readonly keepFirst?: number
  readonly keepLast?: number
  /** The domain of an e-mail address stays, and the rest counts for its name only. */
  readonly keepDomain?: boolean
}

/** What stands for the hidden characters. Their number stays hidden too. */
const HIDDEN = '***'

/**
 * The text with all hidden but a few characters at its ends; undefined if it is so short that this
 * would hide less than three characters or a third of it. A text that was made so stays as it is.
 */
export function partOf(text: string, { keepFirst = 0, keepLast = 0, keepDomain = false }: Kept): string | undefined {
  const at = keepDomain ? AT.exec(text) : null
  if (at !== null && at.index > 0) {
    const name = text.slice(0, at.index)
    return (partOf(name, { keepFirst, keepLast }) ?? HIDDEN) + text.slice(at.index)
  }
  const characters = Array.from(text)
  if (keepFirst + keepLast === 0) return text === HIDDEN ? text : undefined
  const hidden = characters.length - keepFirst - keepLast
  const middle = characters.slice(keepFirst, characters.length - keepLast).join('')
  if (text === HIDDEN || (hidden === HIDDEN.length && middle === HIDDEN)) return text
  if (hidden < HIDDEN.length || 3 * hidden < characters.length) return undefined
  const last = keepLast === 0 ? '' : characters.slice(-keepLast).join('')
  return characters.slice(0, keepFirst).join('') + HIDDEN + last
}
