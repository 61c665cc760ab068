import type { JSX } from 'preact'
import { connection } from '../state/connection.ts'
import { projectFailure } from '../state/overview.ts'
import { Text } from './text.tsx'

/** The folder of the pipelines or of the states cannot be read: what is shown is old. */
export function ProjectFailure(): JSX.Element | null {
  const failure = projectFailure.value
  if (failure === undefined || connection.value.state === 'lost') return null
  return (
    <div class="connection-banner">
      <p>
        <strong>The pipelines cannot be read:</strong> <Text text={failure.message} />
      </p>
      {failure.hint !== undefined && (
        <p>
          <Text text={failure.hint} />
        </p>
      )}
    </div>
  )
}
