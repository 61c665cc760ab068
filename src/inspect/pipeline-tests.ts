import { readFile } from 'node:fs/promises'
import { dirname, relative, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { CheckedPipeline, PipelineTest } from '../config/pipeline.ts'
import { isWhole } from '../config/pipeline-test.ts'
import { asSluiceError } from '../errors.ts'
import { plural } from '../observe/report.ts'
import type { Reject } from '../record/batch.ts'
import { parseSpelled, sameSpelled } from '../record/json/spelled.ts'
import type { StageRule } from '../runtime/transform-stages.ts'
import { compareRejectObjects, shownRejectObjects } from './compare-reject-objects.ts'
import { describeReject } from './describe-reject.ts'
import { asRecord, difference, differentKeys, spell, spellRecord } from './difference.ts'
import { dryRun } from './dry-run.ts'
import type { TestPlace } from './whole/load-test.ts'
import { runWhole } from './whole/run-test.ts'
import type { WholeResult } from './whole/run-test.ts'

export interface TestResult {
  /** A readable description of each difference. Empty if the test passed. */
  readonly differences: readonly string[]
  readonly rules: readonly StageRule[]
  /** What `expect` would be for this result. Absent if that cannot be expected. */
  readonly actual?: Expectation
}

export type Expectation = NonNullable<PipelineTest['expect']>
type ExpectedRejects = NonNullable<Expectation['rejects']>

/**
 * Runs one test: the transforms of the pipeline over its input, or the whole pipeline.
 * @param load Checks the pipeline for this test; not used for a whole one, which has no environment.
 * @param file The pipeline file, for a whole one.
 */
export async function runPipelineTest(
  load: () => Promise<CheckedPipeline>,
  test: PipelineTest,
  file: Omit<TestPlace, 'test'>,
): Promise<TestResult> {
  const outcome = isWhole(test) ? await wholeOutcome({ ...file, test }) : await dryOutcome(await load(), test)
  const { rules, problems } = outcome
  if (problems.length > 0) return { differences: [...problems, ...outcome.remarks], rules }
  const actual = expectationOf(outcome, test)
  if (test.expect === undefined)
    return { differences: ['expects nothing yet: run sluice test --update, and look at what it writes'], rules, actual }
  const differences = compare(test.expect, outcome, test)
  return { differences: differences.length > 0 ? [...differences, ...outcome.remarks] : [], rules, actual }
}

/** What a test has done, of either kind. */
interface Outcome {
  readonly output: readonly string[]
  /** Of a whole pipeline. */
  readonly objects?: WholeResult['objects']
  readonly rejectObjects?: WholeResult['rejectObjects']
  readonly ledger?: WholeResult['ledger']
  readonly rejects: readonly { readonly code: string; readonly stage: string; readonly line: number }[]
  readonly dropped: { readonly [reason: string]: number }
  readonly duplicates: number
  /** Why the result counts for nothing. */
  readonly problems: readonly string[]
  /** Shown with differences: what may have caused them. */
  readonly remarks: readonly string[]
  readonly rules: readonly StageRule[]
}

async function dryOutcome(pipeline: CheckedPipeline, test: PipelineTest): Promise<Outcome> {
  const result = await dryRun(pipeline, await readInput(test))
  const { output, rejects, duplicates, rules } = result
  return {
    output,
    rejects,
    dropped: Object.fromEntries(result.dropped),
    duplicates,
    problems: [],
    // A record that was rejected by surprise is the usual reason of every difference.
    remarks: rejects.length > 0 ? [listRejects(test, rejects)] : [],
    rules,
  }
}

async function wholeOutcome(place: TestPlace): Promise<Outcome> {
  const { test } = place
  const result = await runWhole(place)
  const { objects, rejectObjects, ledger, rejects, dropped, rules, error, log } = result
  const lines = log.slice(-LISTED_LOG)
  const rejected = rejects.map(({ code, stage, line, origin, detail }) =>
    [`  ${origin}:${line}  rejected: ${code} (${stage})`, detail].filter(Boolean).join(' '),
  )
  return {
    output: [...objects.values()].flat(),
    objects,
    ...(rejectObjects && { rejectObjects }),
    ledger,
    rejects,
    dropped,
    duplicates: ledger.duplicate,
    problems: [...result.problems, ...unexpectedEnd(error, test)],
    remarks: [
      ...list(`${plural(rejects.length, 'record')} rejected:`, rejected.slice(0, LISTED_REJECTS)),
      ...result.remarks,
      ...list(
        'log:',
        lines.map((line) => `  ${line}`),
      ),
    ],
    rules,
  }
}

/** Nothing, or a heading and lines below it. */
function list(heading: string, lines: readonly string[]): string[] {
  return lines.length > 0 ? [[heading, ...lines].join('\n')] : []
}

const LISTED_LOG = 10

function unexpectedEnd(error: WholeResult['error'], { expect }: PipelineTest): string[] {
  if (error === undefined)
    return expect?.error === undefined ? [] : [`expected the error ${expect.error}, but the run succeeded`]
  if (error.code === expect?.error || error.code === 'INTERRUPTED') return []
  const causes = error.causes.map((cause) => `\n  cause: ${cause}`).join('')
  const hint = error.hint === undefined ? '' : `\n  ${error.hint}`
  const expected = expect?.error === undefined ? '' : ` (expected ${expect.error})`
  return [`the run failed${expected}: ${error.code}: ${error.message}${causes}${hint}`]
}

function compare(expect: Expectation, outcome: Outcome, test: PipelineTest): string[] {
  const { output, objects, rejectObjects, rejects, dropped, duplicates, ledger } = expect
  const differences: string[] = []
  const outputPlace = (at: number): string => `expect.output[${at}] of test ${JSON.stringify(test.name)}`
  if (output !== undefined) differences.push(...compareLines('output', output, outcome.output, outputPlace))
  if (objects !== undefined) differences.push(...compareObjects(objects, outcome.objects ?? new Map(), test))
  if (rejectObjects !== undefined)
    differences.push(...compareRejectObjects(rejectObjects, outcome.rejectObjects ?? new Map()))
  if (rejects !== undefined && !matches(outcome, rejects)) {
    const actual = outcome.rejects.map(({ code, stage, line }) => ({ code, stage, line }))
    differences.push(`rejects differ\n${difference(spell(rejects), spell(actual))}`)
  }
  if (dropped !== undefined && !isDeepStrictEqual(outcome.dropped, dropped))
    differences.push(`dropped differs\n${difference(spell(dropped), spell(outcome.dropped))}`)
  if (duplicates !== undefined && outcome.duplicates !== duplicates)
    differences.push(`expected ${plural(duplicates, 'duplicate')}, found ${outcome.duplicates}`)
  if (ledger !== undefined) {
    const actual = pickLedger(outcome, ledger)
    if (!isDeepStrictEqual(actual, { ...ledger }))
      differences.push(`ledger differs\n${difference(spell(ledger), spell(actual))}`)
  }
  return differences
}

function compareLines(
  what: string,
  records: NonNullable<Expectation['output']>,
  lines: readonly string[],
  place: (at: number) => string,
): string[] {
  const actual = lines.map((line) => parseSpelled(line))
  const expected = records.map((record, at) => spellRecord(record, place(at)))
  return sameSpelled(expected, actual) ? [] : [`${what} differs\n${difference(expected, actual)}`]
}

function compareObjects(
  expected: NonNullable<Expectation['objects']>,
  actual: WholeResult['objects'],
  { name }: PipelineTest,
): string[] {
  const keys = differentKeys('objects', Object.keys(expected), [...actual.keys()])
  const contents = Object.entries(expected).flatMap(([key, records]) => {
    const lines = actual.get(key)
    const place = (at: number): string => `expect.objects.${key}[${at}] of test ${JSON.stringify(name)}`
    return lines === undefined ? [] : compareLines(`object ${key}`, records, lines, place)
  })
  return [...keys, ...contents]
}

function pickLedger({ ledger = noLedger }: Outcome, given: NonNullable<Expectation['ledger']>): typeof given {
  return Object.fromEntries(Object.entries(ledger).filter(([key]) => Object.hasOwn(given, key)))
}

const noLedger = { read: 0, added: 0, written: 0, dropped: 0, duplicate: 0, rejected: 0 }

/** The keys that the test has, or all of its kind if it expects nothing yet. */
function expectationOf(outcome: Outcome, { expect }: PipelineTest): Expectation {
  const isNew = expect === undefined
  const has = (key: keyof Expectation, byDefault: boolean): boolean => (isNew ? byDefault : expect[key] !== undefined)
  const { objects, rejectObjects, ledger, dropped, duplicates } = outcome
  const rejects = outcome.rejects.map((reject, at) => shownReject(reject, expect?.rejects?.[at]))
  return {
    ...(has('output', !objects) && { output: outcome.output.map(asRecord) }),
    ...(objects &&
      has('objects', true) && {
        objects: Object.fromEntries([...objects].map(([key, lines]) => [key, lines.map(asRecord)])),
      }),
    ...(rejectObjects &&
      has('rejectObjects', rejectObjects.size > 0) && {
        rejectObjects: shownRejectObjects(rejectObjects, expect?.rejectObjects),
      }),
    ...(has('rejects', rejects.length > 0) && { rejects }),
    ...(has('dropped', !objects && Object.keys(dropped).length > 0) && { dropped: { ...dropped } }),
    ...(has('duplicates', !objects && duplicates > 0) && { duplicates }),
    ...(ledger &&
      has('ledger', true) && { ledger: expect?.ledger ? pickLedger(outcome, expect.ledger) : withoutZeros(ledger) }),
    ...(expect?.error !== undefined && { error: expect.error }),
  }
}

function shownReject(
  reject: Outcome['rejects'][number],
  expected: ExpectedRejects[number] | undefined,
): ExpectedRejects[number] {
  const { code, stage, line } = reject
  if (expected === undefined) return { code, stage, line }
  return { code, ...(expected.stage !== undefined && { stage }), ...(expected.line !== undefined && { line }) }
}

function withoutZeros(ledger: WholeResult['ledger']): NonNullable<Expectation['ledger']> {
  const { read, written } = ledger
  return { read, written, ...Object.fromEntries(Object.entries(ledger).filter(([, count]) => count > 0)) }
}

function listRejects({ file, path, input = [], inputLines }: PipelineTest, rejects: readonly Reject[]): string {
  const place = (line: number): string => {
    if ('file' in input) return `${relative(process.cwd(), resolve(dirname(path), input.file))}:${line}`
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
function matches({ rejects }: Pick<Outcome, 'rejects'>, expected: ExpectedRejects): boolean {
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

/** The records of a test that has them in `input`, as NDJSON. */
export async function readInput({ input = [], name, path }: PipelineTest): Promise<Buffer> {
  if ('file' in input) {
    try {
      return await readFile(resolve(dirname(path), input.file))
    } catch (error) {
      throw asSluiceError(error, 'CONFIG_INVALID', `input of test ${JSON.stringify(name)}`)
    }
  }
  return Buffer.from(input.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''))
}
