import type { JSX } from 'preact'
import { connection } from '../state/connection.ts'
import { projectFailure } from '../state/overview.ts'
import { FailureText } from './failure-text.tsx'

/** The folder of the pipelines or of the states cannot be read: what is shown is old. */
export function ProjectFailure(): JSX.Element | null {
  const failure = projectFailure.value
  if (failure === undefined || connection.value.state === 'lost') return null
  return (
    <div class="connection-banner">
      <FailureText title="The pipelines cannot be read:" failure={failure} />
    </div>
  )
}
