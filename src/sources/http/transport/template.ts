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

/**
 * Formats of a time: RFC 3339 with milliseconds (default) or in whole seconds; seconds or
 * milliseconds since 1970.
 */
export const timeFormats = ['rfc3339', 'rfc3339Seconds', 'unix', 'unixMs'] as const

/** The placeholders of a text: `{name}` or `{name:format}`. `{{` is a literal brace. */
export function placeholdersOf(text: string): Placeholder[] {
  return [...text.matchAll(PLACEHOLDER)].flatMap(([, name, format]) => (name === undefined ? [] : [{ name, format }]))
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
  const rendered = text.replace(PLACEHOLDER, (_all, name?: string, format?: string) => {
    if (name === undefined) return '{'
    const json = valueOf({ name, format }, values)
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

const PLACEHOLDER = /\{\{|\{([A-Za-z][\w.-]*)(?::(\w+))?\}/g

function spell({ name, format }: Placeholder): string {
  return format === undefined ? `{${name}}` : `{${name}:${format}}`
}

function valueOf({ name, format }: Placeholder, { window, cursor, page, offset, tenant }: Values): string | undefined {
  if (name === 'cursor') return cursor
  if (name === 'page') return String(page)
  if (name === 'offset') return String(offset)
  if (name === 'window.start') return window && formatTime(window.start, format, Math.floor)
  // Rounded up: a window must not end before its high watermark.
  if (name === 'window.end') return window && formatTime(window.end, format, Math.ceil)
  const value = name.startsWith('tenant.') ? tenant[name.slice('tenant.'.length)] : undefined
  return value === undefined ? undefined : JSON.stringify(value)
}

function formatTime(time: number, format: string | undefined, round: (seconds: number) => number): string {
  if (format === 'unix') return String(round(time / 1000))
  if (format === 'unixMs') return String(time)
  if (format === 'rfc3339Seconds')
    return JSON.stringify(new Date(round(time / 1000) * 1000).toISOString().replace('.000Z', 'Z'))
  return JSON.stringify(new Date(time).toISOString())
}
