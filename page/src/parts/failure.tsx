import type { JSX } from 'preact'
import type { ApiFailure } from '../api.ts'
import { Text } from './text.tsx'

/** In place of a screen that cannot be shown. */
export function Failure({ failure }: { readonly failure: ApiFailure }): JSX.Element {
  return (
    <div class="notice is-error">
      <p>
        <strong>{failure.status === 404 ? 'There is no such pipeline.' : 'This cannot be shown.'}</strong>
      </p>
      <p>
        <Text text={failure.message} />
      </p>
      {failure.hint !== undefined && (
        <p class="faint">
          <Text text={failure.hint} />
        </p>
      )}
      <p>
        <a href="/">All pipelines</a>
      </p>
    </div>
  )
}

export function Loading({ what }: { readonly what: string }): JSX.Element {
  return (
    <p class="notice" aria-busy="true">
      Loading {what}…
    </p>
  )
}
