import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { createTwoFilesPatch } from 'diff'
import type { CheckedPipeline, PipelineTest } from '../config/pipeline.ts'
import { asSluiceError } from '../errors.ts'
import { plural } from '../observe/report.ts'
import { dryRun, type DryRun } from './dry-run.ts'

/**
 * Runs one test. Returns a readable description of each difference, or an empty list if the test
 * passed.
 */
export async function runPipelineTest(pipeline: CheckedPipeline, test: PipelineTest): Promise<string[]> {
  const result = await dryRun(pipeline, await readInput(pipeline, test))
  const { output, rejects, dropped, duplicates } = test.expect
  const differences: string[] = []
  if (output !== undefined) {
    const actual = result.output.map((line): unknown => JSON.parse(line))
    if (!isDeepStrictEqual(actual, output)) differences.push(`output differs\n${difference(output, actual)}`)
  }
  if (rejects !== undefined && !matches(result, rejects)) {
    const actual = result.rejects.map(({ code, stage, line, detail }) => ({
      code,
      stage,
      line,
      ...(detail && { detail }),
    }))
    differences.push(`rejects differ\n${difference(rejects, actual)}`)
  }
  if (dropped !== undefined) {
    const actual = Object.fromEntries(result.dropped)
    if (!isDeepStrictEqual(actual, dropped)) differences.push(`dropped differs\n${difference(dropped, actual)}`)
  }
  if (duplicates !== undefined && result.duplicates !== duplicates) {
    differences.push(`expected ${plural(duplicates, 'duplicate')}, found ${result.duplicates}`)
  }
  return differences
}

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
 * does not matter.
 */
function difference(expected: unknown, actual: unknown): string {
  const patch = createTwoFilesPatch('expected', 'actual', print(expected), print(actual), '', '', { context: 3 })
  return patch
    .split('\n')
    .slice(2)
    .filter((line) => !line.startsWith('\\') && line !== '')
    .join('\n')
}

function print(value: unknown): string {
  return `${JSON.stringify(sorted(value), undefined, 2)}\n`
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => [key, sorted(member)]),
  )
}
