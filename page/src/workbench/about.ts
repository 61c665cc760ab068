import { safe } from '../format.ts'

/** Documentation in the editor, which is no part of the tree of Preact. */
export function aboutElement(title: string | undefined, about: string): HTMLElement {
  const element = document.createElement('div')
  element.className = 'cm-about'
  if (title !== undefined) {
    const strong = document.createElement('strong')
    strong.textContent = `${safe(title)}\n`
    element.append(strong)
  }
  element.append(about.split('\n').map(safe).join('\n'))
  return element
}
