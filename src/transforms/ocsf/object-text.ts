import type { ObjectFacts } from './objects.ts'

/** Whether an object has what OCSF requires of it. @param members JSON text by name */
export function isComplete({ required = [], oneOf = [] }: ObjectFacts, members: ReadonlyMap<string, string>): boolean {
  return required.every((name) => members.has(name)) && (oneOf.length === 0 || oneOf.some((name) => members.has(name)))
}

/** @param members JSON text by name */
export function objectText(members: ReadonlyMap<string, string>): string {
  let text = ''
  for (const [key, value] of members) text += `${text === '' ? '{' : ','}"${key}":${value}`
  return `${text}}`
}
