import { formatTime } from './time-format.ts'

/** The values of the placeholders in one request. */
export interface Values {
  readonly window?: { readonly start: number; readonly end: number } | undefined
  /** JSON text exactly as the API sent it; absent on the first page. */
  readonly cursor?: string | undefined
  /** Page number. */
  readonly page: number
  /** Number of records on all previous pages. */
  readonly offset: number
  readonly tenant: { readonly [name: string]: string }
}

export interface Placeholder {
  readonly name: string
  readonly format: string | undefined
}

/** Names of placeholders, except `tenant.*`. */
export const placeholderNames = ['window.start', 'window.end', 'cursor', 'page', 'offset'] as const

/** The placeholders of a text: `{name}` or `{name:format}`. `{{` is a literal brace. */
export function placeholdersOf(text: string): Placeholder[] {
  return [...text.matchAll(TOKEN)].flatMap(([, inside]) => {
    const placeholder = inside === undefined ? undefined : parsePlaceholder(inside)
    return placeholder === undefined ? [] : [placeholder]
  })
}

/**
 * Braces that are neither a placeholder nor a literal brace, such as `{ cursor }`, `{}` or `{` alone.
 * They are sent as they are.
 */
export function strayBraces(text: string): string[] {
  return [...text.matchAll(TOKEN)].flatMap(([all, inside]) =>
    all === '{{' || (inside !== undefined && parsePlaceholder(inside) !== undefined) ? [] : [all],
  )
}

/** Escapes a text so that it renders unchanged. */
export function literal(text: string): string {
  return text.replaceAll('{', '{{')
}

/**
 * Fills in the placeholders of a text. Undefined if one has no value, such as the cursor of a first
 * page.
 */
export function renderText(
  text: string,
  values: Values,
  encode: (value: string) => string = (value) => value,
): string | undefined {
  let complete = true
  const rendered = text.replace(TOKEN, (all: string, inside?: string) => {
    if (all === '{{') return '{'
    const placeholder = inside === undefined ? undefined : parsePlaceholder(inside)
    if (placeholder === undefined) return all
    const json = valueOf(placeholder, values)
    if (json === undefined) complete = false
    return json === undefined ? '' : encode(plainText(json))
  })
  return complete ? rendered : undefined
}

/**
 * The same as JSON text. If the text is one placeholder, its value keeps its type, and a cursor its
 * exact spelling.
 */
export function renderJson(text: string, values: Values): string | undefined {
  const [only] = placeholdersOf(text)
  if (only !== undefined && text === spell(only)) return valueOf(only, values)
  const rendered = renderText(text, values)
  return rendered === undefined ? undefined : JSON.stringify(rendered)
}

/** The content of a JSON string; any other JSON text unchanged. */
export function plainText(json: string): string {
  return json.startsWith('"') ? String(JSON.parse(json)) : json
}

const TOKEN = /\{\{|\{([^{}]*)\}|\{/g

function parsePlaceholder(inside: string): Placeholder | undefined {
  const [, name, format] = /^([A-Za-z][\w.-]*)(?::(.+))?$/.exec(inside) ?? []
  return name === undefined ? undefined : { name, format }
}

function spell({ name, format }: Placeholder): string {
  return format === undefined ? `{${name}}` : `{${name}:${format}}`
}

function valueOf({ name, format }: Placeholder, { window, cursor, page, offset, tenant }: Values): string | undefined {
  if (name === 'cursor') return cursor
  if (name === 'page') return String(page)
  if (name === 'offset') return String(offset)
  if (name === 'window.start') return window && formatTime(window.start, format, 'start')
  if (name === 'window.end') return window && formatTime(window.end, format, 'end')
  const value = name.startsWith('tenant.') ? tenant[name.slice('tenant.'.length)] : undefined
  return value === undefined ? undefined : JSON.stringify(value)
}
