import { SluiceError } from '../../../errors.ts'
import type { RequestOptions } from '../options.ts'
import { placeholdersOf, renderText } from './template.ts'
import type { Values } from './template.ts'

/**
 * Fills in the placeholders of a URL, and adds its parameters. A value in the path stays one
 * segment: `/`, `?` and `#` are encoded. Leaves out segments and parameters whose placeholder has no
 * value.
 * @throws SluiceError SOURCE_FAILED if a value would leave its place in the path.
 */
export function renderUrl(text: string, query: RequestOptions['query'], values: Values): URL {
  const [, origin = '', path = '', search = '', hash = ''] =
    /^([^/?#]*\/\/[^/?#]*)?([^?#]*)(\?[^#]*)?(#.*)?$/s.exec(text) ?? []
  const rendered = [
    renderText(origin, values, encode) ?? origin,
    singleSlashes(path)
      .split('/')
      .flatMap((segment) => renderSegment(segment, values) ?? [])
      .join('/'),
    renderSearch(search, values),
    renderText(hash, values, encode) ?? '',
  ].join('')
  if (!URL.canParse(rendered)) throw invalid(text, 'is not a URL with its values filled in')
  const url = new URL(rendered)
  for (const [name, template] of Object.entries(query)) {
    const value = renderText(template, values)
    if (value !== undefined) url.searchParams.append(name, value)
  }
  return url
}

/** A base URL may end in a slash. `https://` in a path is kept. */
function singleSlashes(path: string): string {
  return path.replaceAll(/(?<!:)\/{2,}/g, '/')
}

/** Undefined if a placeholder has no value, such as the cursor of the first page. */
function renderSegment(segment: string, values: Values): string | undefined {
  const [first] = placeholdersOf(segment)
  const text = renderText(segment, values, encode)
  if (first === undefined || text === undefined) return text
  // Encoding does not help: URLs treat %2e like a dot.
  if (!/^(\.|%2e){0,2}$/i.test(text)) return text
  const what = text === '' ? 'empty' : `"${text}"`
  throw invalid(segment, `is ${what}, which would lead to another path`)
}

function renderSearch(search: string, values: Values): string {
  if (search === '') return ''
  const parameters = search.slice(1).split('&')
  return `?${parameters.flatMap((parameter) => renderText(parameter, values, encode) ?? []).join('&')}`
}

function encode(value: string): string {
  try {
    return encodeURIComponent(value)
  } catch {
    throw new SluiceError('SOURCE_FAILED', 'a value for the URL of the request is not valid Unicode')
  }
}

function invalid(template: string, problem: string): SluiceError {
  return new SluiceError('SOURCE_FAILED', `${template} in the URL of the request ${problem}`)
}
