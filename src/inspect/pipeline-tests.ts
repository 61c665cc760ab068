import { readFile } from 'node:fs/promises'
import { relative, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { createTwoFilesPatch } from 'diff'
import type { CheckedPipeline, PipelineTest } from '../config/pipeline.ts'
import { asSluiceError, SluiceError } from '../errors.ts'
import { plural } from '../observe/report.ts'
import type { Reject } from '../record/batch.ts'
import { isMap, parseSpelled, sameSpelled, spelledLines } from '../record/json/spelled.ts'
import type { Spelled } from '../record/json/spelled.ts'
import type { StageRule } from '../runtime/transform-stages.ts'
import { describeReject } from './describe-reject.ts'
import { dryRun, type DryRun } from './dry-run.ts'

export interface TestResult {
  /** A readable description of each difference. Empty if the test passed. */
  readonly differences: readonly string[]
  readonly rules: readonly StageRule[]
}

export async function runPipelineTest(pipeline: CheckedPipeline, test: PipelineTest): Promise<TestResult> {
  const result = await dryRun(pipeline, await readInput(pipeline, test))
  const { output, rejects, dropped, duplicates } = test.expect
  const differences: string[] = []
  if (output !== undefined) {
    const actual = result.output.map((line) => parseSpelled(line))
    const expected = output.map((record, at) =>
      spellRecord(record, `expect.output[${at}] of test ${JSON.stringify(test.name)}`),
    )
    if (!sameSpelled(expected, actual)) differences.push(`output differs\n${difference(expected, actual)}`)
  }
  if (rejects !== undefined && !matches(result, rejects)) {
    const actual = result.rejects.map(({ code, stage, line }) => ({ code, stage, line }))
    differences.push(`rejects differ\n${difference(spell(rejects), spell(actual))}`)
  }
  if (dropped !== undefined) {
    const actual = Object.fromEntries(result.dropped)
    if (!isDeepStrictEqual(actual, dropped))
      differences.push(`dropped differs\n${difference(spell(dropped), spell(actual))}`)
  }
  if (duplicates !== undefined && result.duplicates !== duplicates) {
    differences.push(`expected ${plural(duplicates, 'duplicate')}, found ${result.duplicates}`)
  }
  // A record that was rejected by surprise is the usual reason of every difference.
  if (differences.length > 0 && result.rejects.length > 0) differences.push(listRejects(pipeline, test, result.rejects))
  return { differences, rules: result.rules }
}

function listRejects(
  { file, folder }: CheckedPipeline,
  { input, inputLines }: PipelineTest,
  rejects: readonly Reject[],
): string {
  const place = (line: number): string => {
    if ('file' in input) return `${relative(process.cwd(), resolve(folder, input.file))}:${line}`
    return `${file}:${inputLines[line - 1] ?? '?'}`
  }
  const shown = rejects
    .slice(0, LISTED_REJECTS)
    .map((reject) => `  ${place(reject.line)}  input ${reject.line}  ${describeReject(reject)}`)
  const rest = rejects.length - shown.length
  const more = rest > 0 ? [`  and ${plural(rest, 'more reject')}`] : []
  return [`${plural(rejects.length, 'record')} rejected:`, ...shown, ...more].join('\n')
}

const LISTED_REJECTS = 20

/** Compares rejects in order, by the given properties only. */
function matches({ rejects }: DryRun, expected: NonNullable<PipelineTest['expect']['rejects']>): boolean {
  return (
    rejects.length === expected.length &&
    expected.every((pattern, at) => {
      const { code, stage, line } = rejects[at]
      return (
        pattern.code === code && [stage, undefined].includes(pattern.stage) && [line, undefined].includes(pattern.line)
      )
    })
  )
}

async function readInput(pipeline: CheckedPipeline, { input, name }: PipelineTest): Promise<Buffer> {
  if ('file' in input) {
    const path = resolve(pipeline.folder, input.file)
    try {
      return await readFile(path)
    } catch (error) {
      throw asSluiceError(error, 'CONFIG_INVALID', `input of test ${JSON.stringify(name)}`)
    }
  }
  return Buffer.from(input.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''))
}

/**
 * A diff: `-` marks missing lines, `+` marks unexpected lines. Sorts members, because their order
 * does not matter. Numbers of the same value are shown as they were expected.
 */
function difference(expected: Spelled, actual: Spelled): string {
  const [one, other] = [print(expected), print(alike(expected, actual))]
  const patch = createTwoFilesPatch('expected', 'actual', one, other, '', '', { context: 3 })
  return patch
    .split('\n')
    .slice(2)
    .filter((line) => !line.startsWith('\\') && line !== '')
    .join('\n')
}

function spellRecord(record: unknown, name: string): Spelled {
  if (typeof record !== 'string') return spell(record)
  try {
    JSON.parse(record)
  } catch {
    throw new SluiceError('CONFIG_INVALID', `${name} is not JSON`, {
      hint: 'write a record, or its JSON text in quotes',
    })
  }
  return parseSpelled(record)
}

function spell(value: unknown): Spelled {
  return parseSpelled(JSON.stringify(value))
}

function print(value: Spelled): string {
  return `${spelledLines(sorted(value)).join('\n')}\n`
}

function sorted(value: Spelled): Spelled {
  if (typeof value === 'string') return value
  if (!isMap(value)) return value.map(sorted)
  const members = [...value].map(([key, member]): [string, Spelled] => [key, sorted(member)])
  return new Map(members.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** The actual value, with the leaves of the expected one where they are equal. */
function alike(expected: Spelled | undefined, actual: Spelled): Spelled {
  if (expected === undefined) return actual
  if (typeof actual === 'string') return sameSpelled(expected, actual) ? expected : actual
  if (typeof expected === 'string') return actual
  if (!isMap(actual)) return isMap(expected) ? actual : actual.map((item, at) => alike(expected[at], item))
  if (!isMap(expected)) return actual
  return new Map([...actual].map(([key, member]) => [key, alike(expected.get(key), member)]))
}
