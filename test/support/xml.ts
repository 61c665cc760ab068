import assert from 'node:assert/strict'

export interface XmlElement {
  readonly name: string
  readonly attributes: { readonly [name: string]: string }
  readonly children: readonly XmlElement[]
  /** Of the element itself. */
  readonly text: string
}

/** Reads an XML document without a document type. Throws if it is not well-formed. */
export function parseXml(text: string): XmlElement {
  // oxlint-disable-next-line no-control-regex -- https://www.w3.org/TR/xml/#charsets
  assert.doesNotMatch(text, /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/)
  assert.doesNotMatch(text, /\p{Cs}/u)
  const root: Open = { name: '', attributes: {}, children: [], text: '' }
  const open = [root]
  const token = /<(\/?)([a-zA-Z][\w.:-]*)((?:\s+[a-zA-Z][\w.:-]*="[^"<]*")*)\s*(\/?)>|([^<]+)/gy
  let at = 0
  for (const [whole, end, name = '', list = '', isEmpty, content] of text.matchAll(token)) {
    at += whole.length
    const current = open.at(-1) ?? root
    if (content !== undefined) current.text += decoded(content)
    else if (end) assert.equal(open.pop()?.name, name)
    else {
      const found = [...list.matchAll(/([\w.:-]+)="([^"]*)"/g)].map(([, key = '', value = '']) => [key, decoded(value)])
      const element: Open = { name, attributes: Object.fromEntries(found), children: [], text: '' }
      assert.equal(Object.keys(element.attributes).length, found.length, `an attribute twice in ${whole}`)
      current.children.push(element)
      if (!isEmpty) open.push(element)
    }
  }
  assert.equal(at, text.length, `not XML: ${text.slice(at, at + 80)}`)
  assert.deepEqual([open.length, root.children.length, root.text.trim()], [1, 1, ''])
  const [document] = root.children
  assert.ok(document)
  return document
}

interface Open extends XmlElement {
  readonly children: Open[]
  text: string
}

function decoded(text: string): string {
  const names: { readonly [name: string]: string } = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
  assert.doesNotMatch(text, /&(?!(amp|lt|gt|quot|apos|#\d+);)/)
  return text.replace(/&(?:#(\d+)|(\w+));/g, (_, code?: string, name = '') =>
    code === undefined ? (names[name] ?? '') : String.fromCodePoint(Number(code)),
  )
}
