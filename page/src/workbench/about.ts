import { safe } from '../format.ts'
import { proseOf } from './prose.tsx'

/** Documentation in the editor, which is no part of the tree of Preact. */
export function aboutElement(title: string | undefined, about: string): HTMLElement {
  const element = document.createElement('div')
  element.className = 'cm-about'
  if (title !== undefined) {
    const strong = document.createElement('strong')
    strong.textContent = `${safe(title)}\n`
    element.append(strong)
  }
  for (const { text, isCode } of proseOf(about)) {
    const part = document.createElement(isCode ? 'code' : 'span')
    part.textContent = text
    element.append(part)
  }
  return element
}
