import type { JSX } from 'preact'
import { Text } from './text.tsx'

interface FailureTextProps {
  /** What did not work. */
  readonly title: string
  readonly failure: { readonly message: string; readonly hint?: string | undefined }
}

/** Why something did not work, and the way out. */
export function FailureText({ title, failure: { message, hint } }: FailureTextProps): JSX.Element {
  return (
    <>
      <p>
        <strong>{title}</strong> <Text text={message} />
      </p>
      {hint !== undefined && (
        <p class="faint">
          <Text text={hint} />
        </p>
      )}
    </>
  )
}
