/**
 * Why a text is not one record, with the place: `line 2, column 7: "," is not expected here`. Undefined if it is a
 * JSON object. The page and the API both use it.
 */
export function recordMistake(text: string): string | undefined {
  const offset = offsetOfMistake(text)
  if (offset !== undefined) return `${placeOf(offset, text)}: ${describe(text.slice(offset))}`
  return text.trimStart().startsWith('{') ? undefined : 'line 1, column 1: this is JSON, but no object'
}

type Wanted = 'value' | 'item or end' | 'key' | 'key or end' | 'colon' | 'comma or end' | 'nothing'

/** JSON.parse decides; V8 does not always say where. */
function offsetOfMistake(text: string): number | undefined {
  try {
    JSON.parse(text)
    return undefined
  } catch {
    return firstMisplaced(text)
  }
}

function firstMisplaced(text: string): number {
  const open: ('{' | '[')[] = []
  let wanted: Wanted = 'value'
  let end = 0
  for (const { index, 0: token, groups } of text.matchAll(TOKEN)) {
    const isValue = groups?.text !== undefined || groups?.literal !== undefined
    const isEnd = token === (open.at(-1) === '{' ? '}' : ']') && open.length > 0
    if (groups?.space === undefined) {
      const closes = isEnd && (wanted === 'comma or end' || wanted === 'key or end' || wanted === 'item or end')
      if (closes) {
        open.pop()
        wanted = afterValue(open)
      } else if (wanted === 'value' || wanted === 'item or end') {
        if (token === '{' || token === '[') {
          open.push(token)
          wanted = token === '{' ? 'key or end' : 'item or end'
        } else if (isValue) wanted = afterValue(open)
        else return index
      } else if ((wanted === 'key' || wanted === 'key or end') && groups?.text !== undefined) wanted = 'colon'
      else if (wanted === 'colon' && token === ':') wanted = 'value'
      else if (wanted === 'comma or end' && token === ',') wanted = open.at(-1) === '{' ? 'key' : 'value'
      else return index
    }
    end = index + token.length
  }
  return end
}

function afterValue(open: readonly string[]): Wanted {
  return open.length === 0 ? 'nothing' : 'comma or end'
}

/** Everything is a token; what fits nowhere is one character. */
const TOKEN =
  // oxlint-disable-next-line no-control-regex -- JSON forbids control characters in strings
  /(?<space>[\t\n\r ]+)|(?<text>"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*")|(?<literal>(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-]))|[^]/gu

function placeOf(offset: number, text: string): string {
  const lines = text.slice(0, offset).split('\n')
  return `line ${lines.length}, column ${(lines.at(-1)?.length ?? 0) + 1}`
}

function describe(rest: string): string {
  if (rest === '') return 'the end comes too early'
  if (rest.startsWith('"')) return 'this text does not belong here, or has no end'
  const [word] = /^[\w.+-]+|^[^]/u.exec(rest) ?? ['']
  return `${JSON.stringify(word.slice(0, 20))} does not belong here`
}
