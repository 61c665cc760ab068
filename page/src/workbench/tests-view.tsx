import type { JSX } from 'preact'
import type { TestsAnswer } from '../../../src/ui/workbench/api.ts'
import { plural, safe } from '../format.ts'
import { Badge } from '../parts/badge.tsx'
import { Problem } from '../parts/problems.tsx'
import { Text } from '../parts/text.tsx'
import type { WorkbenchState } from '../state/workbench.ts'
import { RequestFailure } from './request-failure.tsx'

/** The tests of the file, and what came of them. */
export function TestsView({ state }: { readonly state: WorkbenchState }): JSX.Element {
  const { answer, failure, isRunning } = state.tests
  const result = answer.value
  return (
    <>
      <div class="toolbar">
        <button type="button" class="primary" disabled={isRunning.value} onClick={() => void state.tests.run()}>
          {isRunning.value ? 'Running…' : 'Run the tests'}
        </button>
        {result === undefined ? (
          <span class="faint">They run on what is in the editor, as `sluice test` runs them.</span>
        ) : (
          <Summary answer={result} />
        )}
      </div>
      {failure.value !== undefined && <RequestFailure title="The tests could not run:" failure={failure.value} />}
      {result !== undefined && (
        <>
          <ul class="problems">
            {result.problems.map((problem) => (
              <Problem key={`${problem.line}:${problem.column} ${problem.message}`} problem={problem} />
            ))}
          </ul>
          <ul class="tests">
            {result.tests.map((test) => (
              <Test key={`${test.file}:${test.line} ${test.name}`} test={test} state={state} />
            ))}
          </ul>
        </>
      )}
    </>
  )
}

function Summary({ answer: { tests, problems } }: { readonly answer: TestsAnswer }): JSX.Element {
  const failed = tests.filter(({ isPassed }) => !isPassed).length
  if (tests.length === 0)
    return <span class="faint">{problems.length > 0 ? 'The file has errors.' : 'The file has no tests.'}</span>
  return (
    <span>
      {plural(tests.length, 'test')}, {failed === 0 ? 'all passed' : `${failed} failed`}
    </span>
  )
}

interface TestProps {
  readonly test: TestsAnswer['tests'][number]
  readonly state: WorkbenchState
}

function Test({ test: { name, file, line, isPassed, differences, mistake, seconds }, state }: TestProps): JSX.Element {
  const place = `${file}:${line}`
  return (
    <li>
      <div class="test-head">
        <Badge tone={isPassed ? 'good' : 'error'} text={isPassed ? 'Passed' : 'Failed'} />
        <Text text={name} />
        {file === state.file.path ? (
          <button type="button" class="link is-faint" onClick={() => state.editor.value?.jump(line)}>
            {safe(place)}
          </button>
        ) : (
          <span class="faint wraps">{safe(place)}</span>
        )}
        <span class="faint">{seconds.toFixed(1)} s</span>
      </div>
      {mistake !== undefined && (
        <p>
          <Text text={mistake} />
        </p>
      )}
      {differences.map((text) => (
        <Difference key={text} text={text} />
      ))}
    </li>
  )
}

function Difference({ text }: { readonly text: string }): JSX.Element {
  return (
    <pre tabIndex={0} aria-label="Difference: minus is expected, plus is found">
      {text.split('\n').map((line, at) => (
        <span key={at} class={line.startsWith('+') ? 'is-added' : line.startsWith('-') ? 'is-removed' : undefined}>
          {`${safe(line)}\n`}
        </span>
      ))}
    </pre>
  )
}
