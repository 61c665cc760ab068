import type { ComponentChildren, JSX } from 'preact'
import type { ApiProblem } from '../../../src/ui/api.ts'
import { plural } from '../format.ts'
import type { PipelineState } from '../state/pipeline.ts'
import { Badge } from './badge.tsx'
import { Panel } from './panel.tsx'
import { Text } from './text.tsx'

/** Of the pipeline file, as `sluice check` finds them; and the alerts that would fire. */
export function Problems({ state }: { readonly state: PipelineState }): JSX.Element | null {
  const detail = state.detail.value
  if (detail === undefined) return null
  const { row } = detail
  // What is only worth knowing is in the workbench.
  const problems = detail.problems.filter(({ severity }) => severity !== 'note')
  return (
    <>
      {row.alerts.length > 0 && (
        <Panel id="alerts" title={plural(row.alerts.length, 'alert')}>
          <ul class="problems">
            {row.alerts.map(({ alert, text }) => (
              <li key={`${alert} ${text}`}>
                <Badge tone="error" text="Alert" />
                <div>
                  <Text text={text} />
                  <div class="faint">
                    <Text text={alert} />
                  </div>
                </div>
              </li>
            ))}
          </ul>
        </Panel>
      )}
      {problems.length > 0 && (
        <Panel id="problems" title={`${plural(problems.length, 'problem')} in the pipeline file`}>
          <ul class="problems">
            {problems.map((problem) => (
              <Problem key={`${problem.file}:${problem.line}:${problem.column} ${problem.message}`} problem={problem} />
            ))}
          </ul>
        </Panel>
      )}
    </>
  )
}

interface ProblemProps {
  readonly problem: ApiProblem
  /** In place of the place as text. */
  readonly place?: ComponentChildren
}

export function Problem({
  problem: { severity, file, line, column, message, hint },
  place = <Text text={`${file}:${line}:${column}`} isCode />,
}: ProblemProps): JSX.Element {
  const tone = severity === 'note' ? 'plain' : severity
  return (
    <li>
      <Badge tone={tone} text={SEVERITIES[severity]} />
      <div>
        <Text text={message} />
        {hint !== undefined && (
          <div class="faint">
            <Text text={hint} />
          </div>
        )}
        <div class="faint">{place}</div>
      </div>
    </li>
  )
}

const SEVERITIES = { error: 'Error', warning: 'Warning', note: 'Note' } as const
