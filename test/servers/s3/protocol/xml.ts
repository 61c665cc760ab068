import { S3Error } from './errors.ts'

export type XmlValue =
  string | number | boolean | Date | undefined | readonly XmlValue[] | { readonly [name: string]: XmlValue }

/** Converts names to elements and arrays to repeated elements. Skips `undefined`. */
export function writeXml(root: string, content: XmlValue, namespace?: string): string {
  const xmlns = namespace === undefined ? '' : ` xmlns="${namespace}"`
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root}${xmlns}>${inner(content)}</${root}>`
}

function element(name: string, value: XmlValue): string {
  if (value === undefined) return ''
  if (isList(value)) return value.map((item) => element(name, item)).join('')
  return `<${name}>${inner(value)}</${name}>`
}

function inner(value: XmlValue): string {
  if (value === undefined) return ''
  if (value instanceof Date) return value.toISOString()
  if (isList(value)) return value.map(inner).join('')
  if (typeof value !== 'object') return escapeXml(String(value))
  return Object.entries(value)
    .map(([name, child]) => element(name, child))
    .join('')
}

function isList(value: XmlValue): value is readonly XmlValue[] {
  return Array.isArray(value)
}

function escapeXml(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what must be escaped
  return text.replace(/[&<>"'\u0000-\u001f]/g, (char) => `&#${char.charCodeAt(0)};`)
}

export interface XmlElement {
  readonly name: string
  readonly text: string
  readonly children: readonly XmlElement[]
}

/**
 * Parses a small request document. Attributes and comments are ignored; an unbalanced document is
 * MalformedXML.
 */
export function parseXml(source: string): XmlElement {
  const root: OpenElement = { name: '', text: '', children: [] }
  const open = [root]
  for (const [token, close, name, selfClosing] of source
    .replaceAll(/<\?.*?\?>|<!--.*?-->/gs, '')
    .matchAll(/<(\/?)([\w:.-]+)[^<>]*?(\/?)>|[^<]+|</g)) {
    const current = open.at(-1) ?? root
    if (name === undefined) {
      if (token === '<') throw malformed()
      current.text += unescapeXml(token)
    } else if (close) {
      if (open.length === 1 || current.name !== name) throw malformed()
      open.pop()
    } else {
      const child: OpenElement = { name, text: '', children: [] }
      current.children.push(child)
      if (!selfClosing) open.push(child)
    }
  }
  const [document, ...others] = root.children
  if (open.length !== 1 || document === undefined || others.length > 0 || root.text.trim() !== '') throw malformed()
  return document
}

export function childText(parent: XmlElement, name: string): string | undefined {
  return parent.children.find((child) => child.name === name)?.text
}

interface OpenElement {
  name: string
  text: string
  children: OpenElement[]
}

function malformed(): S3Error {
  return new S3Error('MalformedXML', 'The XML you provided was not well-formed')
}

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function unescapeXml(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (_all, hex?: string, decimal?: string, name?: string) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16))
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal))
    const char = entities[name ?? '']
    if (char === undefined) throw malformed()
    return char
  })
}
