/** What a guide holds that can be proved. */
export interface Guide {
  readonly blocks: readonly Block[]
  /** Inline code, outside of blocks. */
  readonly code: readonly string[]
  /** Targets of links, as they are written. */
  readonly links: readonly string[]
  /** Anchors of headings, as GitHub makes them. */
  readonly anchors: ReadonlySet<string>
}

export interface Block {
  readonly language: string
  readonly text: string
  /** Of its first line, from 1. */
  readonly line: number
}

export function readGuide(markdown: string): Guide {
  const blocks: Block[] = []
  const prose: string[] = []
  let open: { language: string; lines: string[]; line: number } | undefined
  for (const [index, line] of markdown.split('\n').entries()) {
    const fence = /^```(\w*)$/.exec(line)
    if (open === undefined && fence) open = { language: fence[1], lines: [], line: index + 2 }
    else if (open === undefined) prose.push(line)
    else if (fence) {
      blocks.push({ language: open.language, text: `${open.lines.join('\n')}\n`, line: open.line })
      open = undefined
    } else open.lines.push(line)
  }
  const text = prose.join('\n')
  return {
    blocks,
    code: [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code),
    links: [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target),
    anchors: new Set(prose.flatMap((line) => /^#+ (.*)$/.exec(line)?.[1] ?? []).map(anchorOf)),
  }
}

/** First cells of the rows of all tables below a heading, up to the next one, without backticks; several in a cell are parted. */
export function firstColumn(markdown: string, heading: string): string[] {
  const [, section = ''] = markdown.split(new RegExp(`^#+ ${heading}$`, 'm'))
  const rows = section.split(/^#+ /m)[0].matchAll(/^\| ([^|]+) \|/gm)
  return [...rows].flatMap(([, cell]) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name))
}

function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-')
}

/** The `sluice` commands of a shell script, each as its arguments; what is piped into one or comes out of it is left aside. */
export function sluiceCommands(script: string): string[][] {
  return script.split('\n').flatMap((line) =>
    line
      .replace(/(^|\s)#.*$/, '')
      .split(/\|\||&&|[|;]/)
      .flatMap((part) => {
        const words = [...part.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c)
        const plain = words[0] === 'npx' ? words.slice(1) : words
        if (plain[0] !== 'sluice') return []
        const end = plain.findIndex((word) => /^[<>]/.test(word))
        return [plain.slice(1, end < 0 ? undefined : end)]
      }),
  )
}
