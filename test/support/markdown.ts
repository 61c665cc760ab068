/** The parts of a guide that tests can check. */
export interface Guide {
  readonly blocks: readonly Block[]
  /** Inline code, outside of blocks. */
  readonly code: readonly string[]
  /** Targets of inline links, as written. */
  readonly links: readonly string[]
  /** Anchors of headings, as GitHub derives them. */
  readonly anchors: ReadonlySet<string>
}

export interface Block {
  readonly language: string
  readonly text: string
  /** Number of the block's first line, from 1. */
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

/**
 * The inline code in the first column of all tables of a section, up to the next heading; a cell
 * may hold several.
 */
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

/** The arguments of each `sluice` command of a shell script, without pipes and redirections. */
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
