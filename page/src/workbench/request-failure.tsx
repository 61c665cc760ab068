import type { JSX } from 'preact'
import { Text } from '../parts/text.tsx'

interface RequestFailureProps {
  /** What did not work. */
  readonly title: string
  readonly failure: { readonly message: string; readonly hint?: string | undefined }
}

/** Why something was not done, beside what it was for. */
export function RequestFailure({ title, failure: { message, hint } }: RequestFailureProps): JSX.Element {
  return (
    <div class="request-failure" role="alert">
      <p>
        <strong>{title}</strong> <Text text={message} />
      </p>
      {hint !== undefined && (
        <p class="faint">
          <Text text={hint} />
        </p>
      )}
    </div>
  )
}
