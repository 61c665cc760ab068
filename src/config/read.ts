import { readFile } from 'node:fs/promises'
import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'
import type { Document, Node, Pair, Scalar, YAMLError } from 'yaml'
import { SluiceError, systemCode } from '../errors.ts'
import { sameNumber } from '../record/json/number.ts'
import { findIndentationProblem } from './indentation.ts'
import { sourceOffsets } from './scalar-source.ts'
import { problemAt } from './yaml-location.ts'
import type { Entry, Located, LocatedMap, Location } from './yaml-location.ts'
import type { Problem } from './pipeline.ts'

/** Maximum size of a pipeline file in bytes. */
const MAX_BYTES = 256 * 1024
/** Maximum nesting depth of a pipeline file. Limits the recursion below. */
const MAX_DEPTH = 64

/**
 * Reads a pipeline file, or a file of another kind. Returns undefined, with at least one problem, if
 * the text is not a single YAML map.
 */
export async function readPipelineFile(
  path: string,
  file: string,
  problems: Problem[],
  kind: FileKind = PIPELINE,
): Promise<LocatedMap | undefined> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new SluiceError('FILE_NOT_FOUND', `the ${kind.what} file ${file} cannot be read: ${systemCode(error)}`, {
      hint: 'correct its rights',
    })
  })
  return readPipelineBytes(bytes, file, problems, kind)
}

/** The same of what is not in the file yet: what an editor holds. */
export function readPipelineBytes(
  bytes: Buffer,
  file: string,
  problems: Problem[],
  kind: FileKind = PIPELINE,
): LocatedMap | undefined {
  const start = { file, line: 1, column: 1, length: 1 }
  if (bytes.length > MAX_BYTES) {
    problems.push(problemAt(start, `the file has ${bytes.length} bytes, but the limit is ${MAX_BYTES}`))
    return undefined
  }
  const text = bytes.toString('utf8')
  if (!Buffer.from(text, 'utf8').equals(bytes)) {
    problems.push(problemAt(start, 'the file is not UTF-8'))
    return undefined
  }
  const root = readYaml(text.startsWith('\uFEFF') ? text.slice(1) : text, { file, kind }, problems)
  if (root === undefined) return undefined
  if (root.kind === 'map') return root
  problems.push(
    problemAt(root.location, `a ${kind.what} file must be a map`, {
      hint: `start with ${kind.start}`,
    }),
  )
  return undefined
}

interface FileKind {
  readonly what: string
  /** Its usual keys, for messages. */
  readonly start: string
}

const PIPELINE: FileKind = { what: 'pipeline', start: '"source:", "transforms:" and "sink:"' }

/**
 * Reads the subset of YAML 1.2 (core schema: `yes` and dates stay strings) that JSON can express:
 * no anchors, aliases, merge keys, tags, directives or second document. Pass `column` and `text` if
 * the YAML is part of a longer line. Returns undefined if there are problems.
 */
export function readYaml(
  yaml: string,
  { file, column = 0, text, kind = PIPELINE }: { file: string; column?: number; text?: string; kind?: FileKind },
  problems: Problem[],
): Located | undefined {
  const before = problems.length
  const lines = new LineCounter()
  const rows = yaml.split(/\r?\n/)
  const at = (from: number, to: number): Location => {
    const { line, col } = lines.linePos(from)
    const row = rows[line - 1] ?? ''
    const length = Math.max(1, Math.min(to - from, row.length - col + 1))
    return { file, line, column: col + (line === 1 ? column : 0), length, text: text ?? row }
  }

  const document = parse(yaml, lines)
  if (document === undefined) {
    problems.push(problemAt(at(0, 1), `the file is nested deeper than ${MAX_DEPTH}`))
    return undefined
  }
  for (const issue of relevantIssues([...document.errors, ...document.warnings]))
    problems.push(indentationProblem(issue, { rows, lines, file }) ?? syntaxProblem(issue, at))
  if (problems.length > before) return undefined
  if (document.directives?.yaml.explicit === true) {
    const from = Math.max(0, yaml.search(/^%/m))
    problems.push(problemAt(at(from, yaml.length), 'directives are not allowed', { hint: 'remove the line' }))
  }
  if (document.contents === null) {
    problems.push(problemAt(at(0, 1), 'the file is empty', { hint: `start with ${kind.start}` }))
    return undefined
  }
  const root = locate(document.contents, { yaml, at, problems, depth: 0 })
  return problems.length > before ? undefined : root
}

function parse(yaml: string, lineCounter: LineCounter): Document.Parsed | undefined {
  try {
    return parseDocument(yaml, { lineCounter, version: '1.2', schema: 'core', merge: false, prettyErrors: false })
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

interface Walk {
  readonly yaml: string
  readonly at: (from: number, to: number) => Location
  readonly problems: Problem[]
  readonly depth: number
}

/**
 * Keeps only the first syntax error, because later ones are usually caused by it. Tags are reported
 * one by one later.
 */
function relevantIssues(issues: readonly YAMLError[]): YAMLError[] {
  const syntax = issues.find(({ code }) => code !== 'DUPLICATE_KEY' && code !== 'TAG_RESOLVE_FAILED')
  const end = syntax?.pos[0] ?? Infinity
  return issues.filter((issue) => issue === syntax || (issue.code === 'DUPLICATE_KEY' && issue.pos[0] < end))
}

/** Codes of errors that a wrong indentation causes, besides others. */
const INDENTATION = new Set([
  'BAD_INDENT',
  'BLOCK_AS_IMPLICIT_KEY',
  'MISSING_CHAR',
  'MULTILINE_IMPLICIT_KEY',
  'UNEXPECTED_TOKEN',
])

/** The parser notices a wrong indentation at its line, or at the end of the line before. */
function indentationProblem(
  issue: YAMLError,
  { rows, lines, file }: { rows: readonly string[]; lines: LineCounter; file: string },
): Problem | undefined {
  if (!INDENTATION.has(issue.code) || rows.length === 1) return undefined
  const found = findIndentationProblem(rows)
  const { line } = lines.linePos(issue.pos[0])
  if (!found || found.line < line - 1 || found.line > line + 1) return undefined
  const { message, hint, ...place } = found
  return problemAt({ file, ...place, text: rows[place.line - 1] }, message, { hint })
}

function syntaxProblem(issue: YAMLError, at: Walk['at']): Problem {
  const [from, to] = issue.pos
  const found = at(from, to)
  const key = issue.code === 'DUPLICATE_KEY' ? /^[^:]*/.exec(found.text?.slice(found.column - 1) ?? '')?.[0] : undefined
  const location = key === undefined ? found : { ...found, length: key.trimEnd().length }
  const [message, hint] = explainSyntax(issue, location)
  return problemAt(location, message, { hint })
}

function explainSyntax(issue: YAMLError, location: Location): [string, string?] {
  const row = location.text ?? ''
  if (issue.code === 'DUPLICATE_KEY') {
    return [
      `the key ${row.slice(location.column - 1, location.column - 1 + location.length)} appears twice`,
      'delete one of the two',
    ]
  }
  if (issue.code === 'MULTIPLE_DOCS')
    return ['a second document starts here', 'a file contains one pipeline: remove the ---']
  if (issue.code === 'TAB_AS_INDENT') return ['a tab is not allowed as indentation', 'indent with spaces']
  if (issue.code === 'BAD_SCALAR_START') return [lower(issue.message), 'quote the value']
  if (issue.code === 'UNEXPECTED_TOKEN' && /\{[^"']*\$\{/.test(row)) {
    return ['${...} inside { } must be quoted', 'write "${env:NAME}" with the quotes']
  }
  const unclosed = /^Flow (map|sequence) .*end with a (.)$/.exec(issue.message)
  if (unclosed !== null)
    return [`unclosed ${unclosed[1] === 'map' ? '{' : '['} before this position`, `close it with ${unclosed[2]}`]
  if (issue.code === 'BLOCK_IN_FLOW' && / [?:-] /.test(row)) {
    return [lower(issue.message), 'quote values that contain "? ", ": " or "- "']
  }
  if (issue.code === 'UNEXPECTED_TOKEN' && /: +(["']).*\1/.test(row.slice(0, location.column))) {
    return [
      lower(issue.message),
      'a value that begins with a quote ends with it: put the whole value into the other quotes',
    ]
  }
  if (issue.code === 'BLOCK_AS_IMPLICIT_KEY') return [lower(issue.message), 'quote values that contain ": "']
  return [lower(issue.message)]
}

function lower(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1)
}

function locate(node: Node, walk: Walk): Located {
  const [from, to] = node.range ?? [0, 1, 1]
  const location = walk.at(from, to)
  const reportError = (message: string, hint: string, where = location): Located => {
    walk.problems.push(problemAt(where, message, { hint }))
    return { kind: 'scalar', location, value: null }
  }
  if (isAlias(node)) return reportError('aliases are not allowed', 'repeat the value')
  if ('anchor' in node && node.anchor !== undefined) {
    const mark = walk.yaml.lastIndexOf(`&${node.anchor}`, from)
    return reportError(
      'anchors are not allowed',
      `remove &${node.anchor}`,
      walk.at(mark, mark + node.anchor.length + 1),
    )
  }
  if (node.tag !== undefined) {
    const mark = walk.yaml.slice(0, from).search(/!+[^!]*$/)
    return reportError(
      'tags are not allowed',
      'remove the tag; quote the value if it must be a string',
      walk.at(mark, from - 1),
    )
  }
  if (walk.depth > MAX_DEPTH) return reportError(`nested deeper than ${MAX_DEPTH} levels`, 'reduce the nesting')

  const inner = { ...walk, depth: walk.depth + 1 }
  if (isScalar(node)) return locateScalar(node, location, walk)
  if (isSeq(node))
    return { kind: 'list', location, items: node.items.flatMap((item) => (isNode(item) ? [locate(item, inner)] : [])) }
  if (!isMap(node)) return reportError('this YAML element is not allowed', 'write a value')
  const entries = new Map<string, Entry>()
  for (const pair of node.items) locatePair(pair, entries, inner)
  return { kind: 'map', location, entries }
}

function locateScalar(node: Scalar, location: Location, { yaml, at, problems }: Walk): Located {
  const plain = node.type === 'PLAIN' ? (node.source ?? '') : undefined
  const { value } = node
  if (!isPlainValue(value)) throw new TypeError('the core schema of YAML has no other scalar types')
  if (typeof value === 'number' && !isExact(value, plain ?? '')) {
    problems.push(
      problemAt(location, `the number ${plain} loses precision: it would become ${value}`, {
        hint: `quote it: "${plain}"${DECIMAL.test(plain ?? '') ? `; in a condition, write a pattern: ${patternOf(plain ?? '')}` : ''}`,
      }),
    )
  }
  return {
    kind: 'scalar',
    location,
    value,
    ...(plain === undefined ? {} : { plain }),
    ...(typeof value === 'string'
      ? { place: (offset, length) => placeIn(node, { offset, length }, { yaml, at }) }
      : {}),
  }
}

/** The location of a part of a text; undefined if it cannot be found in the source. */
function placeIn(
  node: Scalar,
  { offset, length }: { offset: number; length: number },
  { yaml, at }: Pick<Walk, 'yaml' | 'at'>,
): Location | undefined {
  const offsets = sourceOffsets(yaml, node)
  if (offsets === undefined || offsets.length < 2) return undefined
  const from = offsets[Math.min(offset, offsets.length - 2)]
  const last = offsets[Math.min(offset + length, offsets.length - 1) - 1] ?? from
  return at(from, Math.max(from, last) + 1)
}

function isPlainValue(value: unknown): value is string | number | boolean | null {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value)
}

/**
 * False for integers beyond 2^53 and decimals that are rounded, and for infinities and NaN, which
 * are not JSON.
 */
function isExact(value: number, spelled: string): boolean {
  if (!Number.isFinite(value)) return false
  const [, sign, whole = '', fraction = '', exponent = ''] = DECIMAL.exec(spelled) ?? []
  if (sign === undefined) return Number.isSafeInteger(value)
  const json = `${sign === '-' ? '-' : ''}${whole || '0'}.${fraction || '0'}${exponent}`
  return sameNumber(json, String(value)) && (!/^[-+]?\d+$/.test(spelled) || Number.isSafeInteger(value))
}

/** Finds the number as it is spelled. */
function patternOf(plain: string): string {
  return `/^${plain.replaceAll(/[.+]/g, '\\$&')}$/`
}

/** YAML also has hexadecimal and octal integers. */
const DECIMAL = /^([-+]?)(\d*)\.?(\d*)([eE][-+]?\d+)?$/

function locatePair({ key, value }: Pair, entries: Map<string, Entry>, walk: Walk): void {
  const [from, to] = (isNode(key) ? key.range : null) ?? [0, 1, 1]
  const location = walk.at(from, to)
  if (!isScalar(key)) {
    walk.problems.push(problemAt(location, 'a key must be a string'))
    return
  }
  const name = key.type === 'PLAIN' ? (key.source ?? '') : String(key.value)
  if (name === '<<') {
    walk.problems.push(problemAt(location, 'merge keys are not allowed', { hint: 'repeat the keys' }))
    return
  }
  const located = isNode(value) ? locate(value, walk) : missingValue(location)
  if (key.anchor !== undefined || key.tag !== undefined) locate(key, walk)
  entries.set(name, { key: location, value: located })
}

function missingValue(location: Location): Located {
  return { kind: 'scalar', location, value: null, plain: '' }
}
