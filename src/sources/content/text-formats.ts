import type { ForeignFormat } from './foreign-formats.ts'

/**
 * Detects text and other data without a line that could be JSON. One line that begins like an
 * object or an array makes it NDJSON; its other lines are rejected one by one. A single line of
 * text may be the first line of a log of JSON, so it is no reason either.
 *
 * @param head The first bytes of the input.
 * @param isWhole The head is the whole input.
 */
export function detectText(head: Buffer, isWhole: boolean): ForeignFormat | undefined {
  const text = head.toString('latin1').replace(/^[\s\0\u00ef\u00bb\u00bf]+/, '')
  const lines = text.split(/[\n\0]+/)
  // The last line may continue, or may still be written.
  const last = lines.pop() ?? ''
  const whole = lines.map((line) => line.trim()).filter((line) => line !== '')
  if (MARKUP.test(text)) return whole.some(isObject) ? undefined : /^<(!doctype html|html)\b/i.test(text) ? HTML : XML
  if (text.startsWith('\u001e')) return SEQUENCE
  // A line of random bytes may begin with a bracket.
  if (isBinary(head) && !mayBeJson(last.trim()) && !whole.some(parses)) return BINARY
  if (whole.some(isLikeJson) || mayBeJson(last.trim())) return undefined
  if (whole.length + (isWhole && last.trim() !== '' ? 1 : 0) < MIN_LINES) return undefined
  return detectTable([...whole, ...(isWhole ? [last.trim()] : [])].filter((line) => line !== '')) ?? TEXT
}

/** Fewer lines of text are rejected one by one. */
const MIN_LINES = 2

/** A tag, but not the priority of a syslog line: `<134>`. */
const MARKUP = /^<[?!a-z]/i
const SEQUENCE: ForeignFormat = {
  name: 'a JSON text sequence (RFC 7464)',
  convert: (file) => `tr -d '\\036'${file === undefined ? '' : ` < ${file}`}`,
}
const HTML: ForeignFormat = {
  name: 'an HTML page',
  advice: 'it may be a sign-in or error page: download the file again',
}
const XML: ForeignFormat = { name: 'XML', advice: 'convert it to JSON' }
const BINARY: ForeignFormat = { name: 'binary data', advice: 'convert it to JSON' }
const TEXT: ForeignFormat = {
  name: 'plain text',
  isText: true,
  convert: (file) => `grep -o '{.*}'${file === undefined ? '' : ` ${file}`}`,
}

/** True if the input begins like JSON: then nothing else needs to be checked. */
export function beginsLikeJson(head: Buffer): boolean {
  const text = head.toString('latin1', 0, 4096).replace(/^[\s\0\u00ef\u00bb\u00bf]+/, '')
  return text.startsWith('{') || ARRAY.test(text)
}

/** An array, but not `[2024-01-01 10:00:00]` or `[INFO]`. */
const ARRAY = /^\[\s*(?:[[{"\]]|(?:-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)\s*[,\]])/

function isLikeJson(line: string): boolean {
  return line.startsWith('{') || ARRAY.test(line) || parses(line)
}

function parses(line: string): boolean {
  try {
    JSON.parse(line)
    return true
  } catch {
    return false
  }
}

function isObject(line: string): boolean {
  return line.startsWith('{') && parses(line)
}

function mayBeJson(unfinished: string): boolean {
  return isLikeJson(unfinished) || /^\[\s*(-?\d*|t\w*|f\w*|n\w*)$/.test(unfinished)
}

/** CSV and its relatives: the lines have the same separator equally often. */
function detectTable(lines: readonly string[]): ForeignFormat | undefined {
  const first = lines.slice(0, 20)
  for (const [separator, name, flag] of TABLES) {
    const counts = new Set(first.map((line) => line.replaceAll(/"[^"]*"/g, '').split(separator).length))
    if (counts.size !== 1 || counts.has(1)) continue
    return { name, isText: true, convert: (file) => `mlr ${flag} --ojsonl cat${file === undefined ? '' : ` ${file}`}` }
  }
  return undefined
}

const TABLES = [
  [',', 'CSV', '--icsv'],
  ['\t', 'TSV', '--itsv'],
  [';', 'CSV', "--icsv --ifs ';'"],
  ['|', 'CSV', "--icsv --ifs '|'"],
] as const

/** By control characters that text does not contain. Too few bytes prove nothing. */
function isBinary(head: Buffer): boolean {
  const start = head.findIndex((byte) => byte !== 0)
  const data = start < 0 ? head.subarray(0, 0) : head.subarray(start)
  return data.length >= MIN_BINARY && data.some((byte) => byte < 0x20 && !TEXT_CONTROLS.has(byte))
}

const MIN_BINARY = 32
/** Bell to carriage return, escape (colours), and NUL, which is skipped. */
const TEXT_CONTROLS: ReadonlySet<number> = new Set([0, 7, 8, 9, 10, 11, 12, 13, 27])
