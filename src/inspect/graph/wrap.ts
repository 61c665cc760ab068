/**
 * A text as lines of at most so many columns. Long words are divided; of more than four lines the rest
 * is left out, with an ellipsis in its place.
 */
export function wrapLine(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(/\s+/).filter((one) => one !== '')) {
    let rest = word
    const last = lines.at(-1)
    if (last !== undefined && columnsOf(last) + 1 + columnsOf(rest) <= width) {
      lines[lines.length - 1] = `${last} ${rest}`
      continue
    }
    while (columnsOf(rest) > width) {
      const start = startOf(rest, width)
      lines.push(start)
      rest = rest.slice(start.length)
    }
    lines.push(rest)
  }
  if (lines.length <= MAX_LINES) return lines
  const kept = lines.slice(0, MAX_LINES)
  return [...kept.slice(0, -1), `${startOf(kept.at(-1) ?? '', width - 1)}…`]
}

const MAX_LINES = 4

/** Columns of a text in a font of one width. Chinese, Japanese, Korean and emoji take two. */
export function columnsOf(text: string): number {
  let columns = 0
  for (const char of text)
    columns +=
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u.test(
        char,
      )
        ? 2
        : 1
  return columns
}

function startOf(text: string, width: number): string {
  let start = ''
  let columns = 0
  for (const char of text) {
    columns += columnsOf(char)
    if (columns > width && start !== '') break
    start += char
  }
  // A path is divided after a slash.
  const slash = start.length < text.length ? start.lastIndexOf('/') + 1 : 0
  return slash > start.length / 2 ? start.slice(0, slash) : start
}
