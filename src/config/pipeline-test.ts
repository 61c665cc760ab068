import { dirname, resolve } from 'node:path'
import { errorCodes } from '../errors.ts'
import { statIfPresent } from '../fields/present.ts'
import { suggest } from '../fields/suggest.ts'
import { parseInstantText } from '../record/json/instant.ts'
import type { Config } from '../component.ts'
import type { PipelineTest, Problem } from './pipeline.ts'
import type { testFields } from './test-fields.ts'
import { nodeAt, locationAt, problemAt } from './yaml-location.ts'
import type { Keys, Located } from './yaml-location.ts'

interface TestScope {
  readonly file: string
  readonly path: string
  /** The file, and where the test is in it. */
  readonly node: Located
  readonly keys: Keys
  readonly problems: Problem[]
}

/** Completes a test whose fields are valid, and reports what contradicts itself. */
export function pipelineTest(test: Config<typeof testFields>, scope: TestScope): PipelineTest {
  const { file, path, node, keys, problems } = scope
  for (const { at, message, hint } of findings(test, dirname(path))) {
    const location = locationAt(node, [...keys, ...at], locationAt(node, keys))
    problems.push(problemAt(location, message, { hint }))
  }
  const input = nodeAt(node, [...keys, 'input'])
  const inputLines = input?.kind === 'list' ? input.items.map(({ location }) => location.line) : []
  return { ...test, file, path, keys, line: nodeAt(node, keys)?.location.line ?? 1, inputLines }
}

/** True for a test that runs the pipeline whole. */
export function isWhole(test: Pick<PipelineTest, WholeInput>): boolean {
  return wholeInputs.some((key) => test[key] !== undefined)
}

/** What a test of a whole pipeline gives to the source. */
const wholeInputs = ['pages', 'files', 'objects', 'records'] as const
export type WholeInput = (typeof wholeInputs)[number]

/** The input of a test of a whole pipeline. */
export function wholeInputOf(test: Pick<PipelineTest, WholeInput>): WholeInput {
  return wholeInputs.find((key) => test[key] !== undefined) ?? 'pages'
}

/** RFC 3339 with a zone. NaN for anything else. */
export function parseTestTime(text: string): number {
  return /T.*(?:Z|[+-]\d\d:?\d\d)$/.test(text) ? parseInstantText(text) : NaN
}

/** Number of pages, files, objects or records; undefined for records in a file. */
export function countOf(test: Pick<PipelineTest, WholeInput>): number | undefined {
  const given = test[wholeInputOf(test)]
  return Array.isArray(given) ? given.length : undefined
}

interface TestFinding {
  readonly at: Keys
  readonly message: string
  readonly hint: string
}

function* findings(test: Config<typeof testFields>, folder: string): Generator<TestFinding> {
  const given = (['input', ...wholeInputs] as const).filter((key) => test[key] !== undefined)
  const named = `the test ${JSON.stringify(test.name)}`
  if (given.length !== 1) {
    const message =
      given.length === 0 ? `${named} has no input` : `${named} has ${given.join(' and ')}, which exclude each other`
    yield {
      at: given.slice(1, 2),
      message,
      hint: 'use one of input (transforms), pages, files, objects or records (the whole pipeline)',
    }
  }
  if (isWhole(test)) {
    yield* wholeFindings(test)
    yield* fileFindings(test, folder)
    return
  }
  const only = (['now', 'restartAfter', 'restartIn', 'resumeAt', 'stopAfter'] as const).find(
    (key) => test[key] !== undefined,
  )
  const onlyExpected = (['objects', 'rejectObjects', 'ledger', 'error'] as const).find(
    (key) => test.expect?.[key] !== undefined,
  )
  const at = only ? [only] : onlyExpected ? ['expect', onlyExpected] : undefined
  if (at)
    yield {
      at,
      message: `${at.at(-1)} of ${named} has no effect with input`,
      hint: 'input runs the transforms only: use pages, files, objects or records to run the pipeline whole',
    }
}

function* wholeFindings(test: Config<typeof testFields>): Generator<TestFinding> {
  const { now, resumeAt, restartAfter, restartIn, stopAfter, expect } = test
  if (now === undefined)
    yield {
      at: [],
      message: `the test ${JSON.stringify(test.name)} has no time`,
      hint: 'add now: 2024-03-04T12:00:00Z',
    }
  for (const [key, time] of Object.entries({ now, resumeAt }))
    if (time !== undefined && Number.isNaN(parseTestTime(time)))
      yield { at: [key], message: `"${time}" is not a time`, hint: 'write it as 2024-03-04T12:00:00Z' }
  const ends = Object.entries({ restartAfter, restartIn, stopAfter }).filter(([, at]) => at !== undefined)
  if (ends.length > 1)
    yield {
      at: [ends[1]?.[0] ?? ''],
      message: `${ends.map(([key]) => key).join(' and ')} exclude each other`,
      hint: 'keep one of them',
    }
  const input = wholeInputOf(test)
  const count = countOf(test)
  for (const [key, at] of ends)
    if (at !== undefined && count !== undefined && at > count)
      yield { at: [key], message: `${key} is ${at}, but the test has ${count} ${input}`, hint: `use 1 to ${count}` }
  if (stopAfter !== undefined && input !== 'pages')
    yield { at: ['stopAfter'], message: 'stopAfter is for pages', hint: 'use restartAfter' }
  if (restartIn !== undefined && (input === 'files' || input === 'records'))
    yield {
      at: ['restartIn'],
      message: `${input} can be interrupted only between two of them`,
      hint: 'use restartAfter',
    }
  if (resumeAt !== undefined && restartAfter === undefined && restartIn === undefined)
    yield { at: ['resumeAt'], message: 'resumeAt has no effect without a restart', hint: 'add restartAfter' }
  if (now !== undefined && resumeAt !== undefined && parseTestTime(resumeAt) < parseTestTime(now))
    yield { at: ['resumeAt'], message: 'resumeAt is before now', hint: 'use a later time' }
  if (expect?.error !== undefined && !(expect.error in errorCodes))
    yield {
      at: ['expect', 'error'],
      message: `"${expect.error}" is not an error code`,
      hint: suggest(expect.error, Object.keys(errorCodes), 'codes'),
    }
}

function* fileFindings(test: Config<typeof testFields>, folder: string): Generator<TestFinding> {
  const { pages = [], files = [], records } = test
  if (records && 'file' in records) yield* existing(records.file, ['records', 'file'], folder)
  for (const [i, { response }] of pages.entries()) {
    if (response.body !== undefined && response.file !== undefined)
      yield { at: ['pages', i, 'response', 'file'], message: 'body and file exclude each other', hint: 'remove one' }
    yield* existing(response.file, ['pages', i, 'response', 'file'], folder)
  }
  const names = new Set<string>()
  for (const [i, file] of files.entries()) {
    const { name } = file
    yield* contentFindings(file, `the file ${name}`, ['files', i], folder)
    if (names.has(name))
      yield { at: ['files', i, 'name'], message: `the file ${name} is there twice`, hint: 'rename one' }
    names.add(name)
  }
  yield* objectFindings(test, folder)
}

function* objectFindings(
  { objects = [], now = '', resumeAt = now }: Config<typeof testFields>,
  folder: string,
): Generator<TestFinding> {
  const seen = new Set<string>()
  for (const [i, object] of objects.entries()) {
    const { key, modified = now, version = '' } = object
    const named = `the object ${key}`
    yield* contentFindings(object, named, ['objects', i], folder)
    if (key.startsWith('s3://'))
      yield {
        at: ['objects', i, 'key'],
        message: `${named} has a bucket in its key`,
        hint: `the bucket is that of the source: write ${key.replace(/^s3:\/\/[^/]*\/?/, '') || 'the key'}`,
      }
    const time = parseTestTime(modified)
    const at = ['objects', i, 'modified']
    if (object.modified !== undefined && Number.isNaN(time))
      yield { at, message: `"${modified}" is not a time`, hint: 'write it as 2024-03-04T12:00:00Z' }
    if (time > parseTestTime(resumeAt))
      yield {
        at,
        message: `${named} comes after the test: it is modified at ${modified}`,
        hint: 'use an earlier time, or a restart with a later resumeAt',
      }
    const identity = JSON.stringify([key, Number.isNaN(time) ? modified : time, version])
    if (seen.has(identity))
      yield {
        at: ['objects', i, 'key'],
        message: `${named} is there twice`,
        hint: 'rename one, or give the one that replaces the other a later `modified`',
      }
    seen.add(identity)
  }
}

type Content = Pick<NonNullable<PipelineTest['files']>[number], 'lines' | 'json' | 'file'>

function* contentFindings(
  { lines, json, file }: Content,
  named: string,
  at: Keys,
  folder: string,
): Generator<TestFinding> {
  const given = [lines, json, file].filter((content) => content !== undefined).length
  if (given !== 1) yield { at, message: `${named} needs one content`, hint: 'give one of lines, json or file' }
  yield* existing(file, [...at, 'file'], folder)
}

function* existing(file: string | undefined, at: Keys, folder: string): Generator<TestFinding> {
  if (file === undefined || statIfPresent(resolve(folder, file))?.isFile() === true) return
  yield { at, message: `the file "${file}" does not exist`, hint: `resolved path: ${resolve(folder, file)}` }
}
