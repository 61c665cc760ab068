import type { Segment } from '../../src/record/paths/grammar.ts'

/**
 * A value of a record, from the simplest possible parser: with duplicate keys, in document order,
 * offsets in bytes.
 */
export interface Node {
  readonly steps: readonly Step[]
  readonly key: number
  readonly start: number
  readonly end: number
  /** The key as spelled, with its quotes; empty for elements and the root. */
  readonly rawKey: string
  /** The value as spelled. */
  readonly raw: string
  readonly children: readonly Node[]
}

/** A key, or undefined for an element. */
export type Step = string | undefined

/** One character per byte of the text, so that offsets count bytes. */
export function bytesOf(text: string): string {
  return Buffer.from(text).toString('latin1')
}

export function textOf(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString()
}

/** Parses valid JSON with recursion, one character at a time. */
export function parse(json: string): Node {
  const text = bytesOf(json)
  let at = 0

  function space(): void {
    while (' \t\r\n'.includes(text[at] ?? 'x')) at++
  }

  function string(): string {
    const start = at++
    for (; text[at] !== '"'; at++) if (text[at] === '\\') at++
    at++
    return text.slice(start, at)
  }

  function value(steps: readonly Step[], key: number, rawKey: string): Node {
    space()
    const start = at
    const children: Node[] = []
    if (text[at] === '{' || text[at] === '[') {
      const isObject = text[at++] === '{'
      space()
      if (text[at] === '}' || text[at] === ']') at++
      else
        do {
          space()
          const begin = at
          let raw = ''
          let step: Step
          if (isObject) {
            raw = string()
            const decoded: string = JSON.parse(textOf(raw))
            step = decoded
            space()
            at++
          }
          children.push(value([...steps, step], begin, raw))
          space()
        } while (text[at++] === ',')
    } else if (text[at] === '"') string()
    else while (at < text.length && !',]} \t\r\n'.includes(text[at])) at++
    return { steps, key, start, end: at, rawKey, raw: text.slice(start, at), children }
  }

  return value([], 0, '')
}

/** All values inside a value, in document order. */
export function descendants(node: Node): Node[] {
  return node.children.flatMap((child) => [child, ...descendants(child)])
}

/** Those that JSON.parse keeps: of duplicate keys the last one, at every level. */
export function visibleDescendants(node: Node): Node[] {
  const lasts = node.children.filter(({ steps }, at) => {
    const step = steps.at(-1)
    return step === undefined || !node.children.slice(at + 1).some((later) => later.steps.at(-1) === step)
  })
  return lasts.flatMap((child) => [child, ...visibleDescendants(child)])
}

/** Whether a path matches a value, found by trying everything. */
export function leadsTo(segments: readonly Segment[], steps: readonly Step[]): boolean {
  if (segments.length === 0) return steps.length === 0
  const [segment, ...others] = segments
  const [step, ...further] = steps
  if (segment.kind === 'deep') {
    if (others.length === 0) return steps.length > 0
    return leadsTo(others, steps) || (steps.length > 0 && leadsTo(segments, further))
  }
  return steps.length > 0 && fits(segment, step) && leadsTo(others, further)
}

function fits(segment: Segment, step: Step): boolean {
  if (step === undefined || segment.kind === 'elements') return step === undefined && segment.kind === 'elements'
  if (segment.kind === 'keys') return segment.keys.includes(step)
  return segment.kind === 'members' || (segment.kind === 'pattern' && segment.pattern.test(step))
}

/** The value that JSON.parse gives for a path of keys: the last duplicate at each step. */
export function effective(root: Node, keys: readonly string[]): Node | undefined {
  let node: Node | undefined = root
  for (const key of keys) {
    if (!node.raw.startsWith('{')) return undefined
    node = node.children.findLast((child) => child.steps.at(-1) === key)
    if (node === undefined) return undefined
  }
  return node
}

/**
 * The value without whitespace. `change` returns a replacement for a value, null to delete it, or
 * undefined.
 */
export function render(node: Node, change: (node: Node) => string | null | undefined): string {
  const replacement = change(node)
  if (typeof replacement === 'string') return replacement
  if (!/^[{[]/.test(node.raw)) return node.raw
  const parts = node.children
    .filter((child) => change(child) !== null)
    .map((child) => (child.rawKey === '' ? '' : `${child.rawKey}:`) + render(child, change))
  return node.raw[0] === '{' ? `{${parts.join(',')}}` : `[${parts.join(',')}]`
}
