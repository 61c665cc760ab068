import { sameNumber } from './number.ts'

/**
 * A JSON value whose leaves are as they are spelled, for people: `9007199254740993123`, `1.10` and
 * `1e400` are not what JSON.parse makes of them. A leaf is its JSON text; a string has its quotes.
 * Of duplicate keys the last one remains.
 */
export type Spelled = string | readonly Spelled[] | ReadonlyMap<string, Spelled>

/** @throws SyntaxError for text that is not JSON; it does not quote the text. */
export function parseSpelled(json: string): Spelled {
  const tokens = json.matchAll(TOKEN)
  const next = (): string => {
    const { value, done } = tokens.next()
    if (done === true) throw new SyntaxError('not JSON')
    return value[0]
  }
  const read = (token: string): Spelled => {
    if (token === '[') {
      const list: Spelled[] = []
      for (let item = next(); item !== ']'; item = next()) if (item !== ',') list.push(read(item))
      return list
    }
    if (token !== '{') return token
    const members = new Map<string, Spelled>()
    for (let item = next(); item !== '}'; item = next()) {
      if (item === ',') continue
      const key: string = JSON.parse(item)
      next()
      members.set(key, read(next()))
    }
    return members
  }
  return read(next())
}

/** A string, or a bracket, colon or comma, or another literal. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{}:,]|[^\s"[\]{}:,]+/gs

/** Lines of indented JSON, like those of `JSON.stringify(value, undefined, 2)`. */
export function spelledLines(value: Spelled): string[] {
  if (typeof value === 'string') return [value]
  if (!isMap(value)) return block('[', ']', value.map(spelledLines))
  const members = [...value].map(([key, member]) => {
    const [first, ...rest] = spelledLines(member)
    return [`${JSON.stringify(key)}: ${first}`, ...rest]
  })
  return block('{', '}', members)
}

function block(open: string, close: string, items: readonly (readonly string[])[]): string[] {
  if (items.length === 0) return [open + close]
  const lines = items.flatMap((item, at) =>
    item.map((line, number) => `  ${line}${number === item.length - 1 && at < items.length - 1 ? ',' : ''}`),
  )
  return [open, ...lines, close]
}

/** Whether two values are equal: numbers by value, strings after decoding, members in any order. */
export function sameSpelled(one: Spelled | undefined, other: Spelled | undefined): boolean {
  if (one === undefined || other === undefined) return one === other
  if (typeof one === 'string' || typeof other === 'string') {
    return typeof one === 'string' && typeof other === 'string' && sameLeaf(one, other)
  }
  if (isMap(one)) {
    return (
      isMap(other) && one.size === other.size && [...one].every(([key, value]) => sameSpelled(value, other.get(key)))
    )
  }
  return !isMap(other) && one.length === other.length && one.every((item, at) => sameSpelled(item, other[at]))
}

function sameLeaf(one: string, other: string): boolean {
  if (one === other) return true
  const isText = one.startsWith('"') && other.startsWith('"')
  return isText ? JSON.parse(one) === JSON.parse(other) : sameNumber(one, other)
}

export function isMap(value: Spelled): value is ReadonlyMap<string, Spelled> {
  return value instanceof Map
}
