/**
 * Draws docs/images/live.svg: `npm run picture`. Runs the pipeline `archive` over many copies of the
 * sample events in a pseudo-terminal, waits until the live view shows some commits, and writes what is on
 * the screen as SVG. The figures in it are those of the machine.
 */
import { createWriteStream } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { IBufferCell } from '@xterm/headless'
import { createFolder } from './support/temporary-folder.ts'
import { TestTerminal } from './support/terminal.ts'

const PICTURE = 'docs/images/live.svg'
const SIZE = { columns: 92, rows: 24 }
const COPIES = 120_000

const CELL = { width: 8.4, height: 19 }
const MARGIN = { x: 18, y: 16 }
/** Of a dark terminal, by the number of the colour. */
const COLOURS: { readonly [number: number]: string } = { 1: '#ff7b72', 2: '#56d364', 3: '#e3b341', 6: '#39c5cf' }

const { path: folder, remove } = await createFolder()
const cleanUps: (() => void)[] = []
try {
  const input = join(folder, 'events.ndjson')
  await pipeline(copies(await readFile('samples/2024-03-04-directory.ndjson', 'utf8')), createWriteStream(input))
  const set = [`source.path=${input}`, `sink.path=${join(folder, 'out')}`, 'sink.roll.maxAge=2s'].flatMap((one) => [
    '--set',
    one,
  ])
  const args = ['run', 'archive', '--state', join(folder, 'state'), ...set]
  const terminal = new TestTerminal({ after: (end) => cleanUps.push(end) }, args, {
    folder: process.cwd(),
    tty: join(folder, 'tty'),
    ...SIZE,
  })
  await terminal.until(({ lines }) => lines.some((line) => /commits [3-9]/.test(line)))
  await writeFile(PICTURE, draw(terminal))
  process.stdout.write(`${terminal.lines.join('\n')}\n\nwritten: ${PICTURE}\n`)
} finally {
  for (const end of cleanUps) end()
  await remove()
}

/** The events again and again, each time with other ids. */
function* copies(events: string): Generator<string> {
  for (let copy = 0; copy < COPIES; copy++)
    yield events.replaceAll(/^\{"id":"\w{4}/gm, `{"id":"${copy.toString(16).padStart(6, '0')}`)
}

function draw(terminal: TestTerminal): string {
  const { buffer, cols } = terminal.screen
  const { active } = buffer
  const texts: string[] = []
  const count = terminal.lines.length
  for (let row = 0; row < count; row++) {
    const line = active.getLine(active.baseY + row)
    let run = { text: '', style: '', at: 0 }
    const end = (): void => {
      if (run.text.trim() !== '') texts.push(textOf(run, row))
    }
    for (let column = 0; column < cols; column++) {
      const cell = line?.getCell(column)
      if (cell === undefined || cell.getWidth() === 0) continue
      const style = styleOf(cell)
      if (style !== run.style || column === 0) {
        end()
        run = { text: '', style, at: column }
      }
      run.text += cell.getChars() || ' '
    }
    end()
  }
  const width = Math.ceil(cols * CELL.width + 2 * MARGIN.x)
  const height = Math.ceil(count * CELL.height + 2 * MARGIN.y)
  return `<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title">
<title id="title">The live view of sluice run</title>
<style>text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#f0f6fc;white-space:pre}.bold{font-weight:600}.dim{fill:#9198a1}</style>
<rect width="${width}" height="${height}" rx="8" fill="#0d1117"/>
${texts.join('\n')}
</svg>
`
}

function styleOf(cell: IBufferCell): string {
  const colour = cell.isFgPalette() ? COLOURS[cell.getFgColor()] : undefined
  const name = cell.isBold() ? 'bold' : cell.isDim() ? 'dim' : undefined
  return `${name === undefined ? '' : ` class="${name}"`}${colour === undefined ? '' : ` style="fill:${colour}"`}`
}

function textOf({ text, style, at }: { text: string; style: string; at: number }, row: number): string {
  const shown = text.trimEnd()
  const x = (MARGIN.x + at * CELL.width).toFixed(1)
  const y = (MARGIN.y + (row + 0.75) * CELL.height).toFixed(1)
  const escaped = shown.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text x="${x}" y="${y}" textLength="${(shown.length * CELL.width).toFixed(1)}"${style}>${escaped}</text>`
}
