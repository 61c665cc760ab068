import type { ComponentProps, JSX } from 'preact'
import { FailureText } from '../parts/failure-text.tsx'

/** Why something was not done, beside what it was for. */
export function RequestFailure(props: ComponentProps<typeof FailureText>): JSX.Element {
  return (
    <div class="request-failure" role="alert">
      <FailureText {...props} />
    </div>
  )
}
