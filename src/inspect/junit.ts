import type { SluiceError } from '../errors.ts'
import type { TestedCase } from './test-pipeline.ts'

/** The results of a pipeline's tests. */
export interface TestedPipeline {
  readonly pipeline: string
  readonly results: readonly TestedCase[]
  /** Why none of its tests could run. */
  readonly mistake?: SluiceError
}

/** The report of test results that CI systems read: JUnit XML, one suite for each pipeline. */
export function junitXml(suites: readonly TestedPipeline[]): string {
  const body = suites.flatMap(({ pipeline, results, mistake }) => [
    `  <testsuite ${attributes({ name: pipeline, ...counts([{ results, mistake }]) })}>`,
    ...(mistake === undefined ? [] : unusable(pipeline, mistake)),
    ...results.flatMap((result) => testCase(pipeline, result)),
    '  </testsuite>',
  ])
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${attributes({ name: 'sluice', ...counts(suites) })}>`,
    ...body,
    '</testsuites>',
  ]
  return `${lines.join('\n')}\n`
}

function counts(suites: readonly Pick<TestedPipeline, 'results' | 'mistake'>[]) {
  const results = suites.flatMap((suite) => suite.results)
  const unusables = suites.filter(({ mistake }) => mistake !== undefined).length
  return {
    tests: results.length + unusables,
    failures: results.filter(({ differences }) => differences.length > 0).length,
    errors: results.filter(({ mistake }) => mistake !== undefined).length + unusables,
    time: results.reduce((sum, { seconds }) => sum + seconds, 0).toFixed(3),
  }
}

/** CI systems show test cases only: a pipeline without any would look as if nothing was wrong. */
function unusable(pipeline: string, mistake: SluiceError): string[] {
  return [
    `    <testcase ${attributes({ classname: pipeline, name: 'the pipeline is valid' })}>`,
    error(mistake),
    '    </testcase>',
  ]
}

function error({ code, message, hint }: SluiceError): string {
  return element('error', { type: code, message }, [message, hint].filter(Boolean).join('\n'))
}

function testCase(pipeline: string, { name, file, line, seconds, differences, mistake }: TestedCase): string[] {
  const open = `    <testcase ${attributes({ classname: pipeline, name, file, line, time: seconds.toFixed(3) })}`
  if (mistake !== undefined) {
    return [`${open}>`, error(mistake), '    </testcase>']
  }
  if (differences.length === 0) return [`${open}/>`]
  const [first = ''] = differences
  const message = first.split('\n', 1)[0] ?? ''
  return [`${open}>`, element('failure', { message }, differences.join('\n')), '    </testcase>']
}

function element(name: string, named: { readonly [name: string]: string }, content: string): string {
  return `      <${name} ${attributes(named)}>${escape(content)}</${name}>`
}

function attributes(named: { readonly [name: string]: string | number }): string {
  return Object.entries(named)
    .map(
      ([name, value]) =>
        `${name}="${escape(String(value))
          .replaceAll('"', '&quot;')
          .replaceAll(/[\t\n\r]/g, ' ')}"`,
    )
    .join(' ')
}

/** XML 1.0 has no way to write most control characters, and no lone surrogates. */
function escape(text: string): string {
  return text.replaceAll(FORBIDDEN, '\uFFFD').replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

// oxlint-disable-next-line no-control-regex -- these are the characters to replace
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu
