import type { TestedCase } from './test-pipeline.ts'

/** The results of a pipeline's tests. */
export interface TestedPipeline {
  readonly pipeline: string
  readonly results: readonly TestedCase[]
}

/** The report of test results that CI systems read: JUnit XML, one suite for each pipeline. */
export function junitXml(suites: readonly TestedPipeline[]): string {
  const all = suites.flatMap(({ results }) => results)
  const body = suites.flatMap(({ pipeline, results }) => [
    `  <testsuite ${attributes({ name: pipeline, ...counts(results) })}>`,
    ...results.flatMap((result) => testCase(pipeline, result)),
    '  </testsuite>',
  ])
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${attributes({ name: 'sluice', ...counts(all) })}>`,
    ...body,
    '</testsuites>',
  ]
  return `${lines.join('\n')}\n`
}

function counts(results: readonly TestedCase[]) {
  return {
    tests: results.length,
    failures: results.filter(({ differences }) => differences.length > 0).length,
    errors: results.filter(({ mistake }) => mistake !== undefined).length,
    time: results.reduce((sum, { seconds }) => sum + seconds, 0).toFixed(3),
  }
}

function testCase(pipeline: string, { name, file, line, seconds, differences, mistake }: TestedCase): string[] {
  const open = `    <testcase ${attributes({ classname: pipeline, name, file, line, time: seconds.toFixed(3) })}`
  if (mistake !== undefined) {
    const text = [mistake.message, mistake.hint].filter(Boolean).join('\n')
    return [`${open}>`, element('error', { type: mistake.code, message: mistake.message }, text), '    </testcase>']
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
