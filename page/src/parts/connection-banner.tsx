import type { JSX } from 'preact'
import { announcement, connection } from '../state/connection.ts'
import { Clock } from './moment.tsx'

/** Says that what is shown is old. It floats above the page, so that nothing moves. */
export function ConnectionBanner(): JSX.Element | null {
  const now = connection.value
  if (now.state !== 'lost') return null
  return (
    <div class="connection-banner">
      {now.isRefused ? (
        <p>
          <strong>sluice ui was started again.</strong> Open the address that it has printed.
        </p>
      ) : (
        <p>
          <strong>The connection to sluice ui is lost; it reconnects.</strong> The numbers are those of{' '}
          <Clock at={now.since} />.
        </p>
      )}
    </div>
  )
}

/** Read aloud when a state changes. */
export function Announcements(): JSX.Element {
  return (
    <p class="unseen" role="status" aria-live="polite">
      {announcement.value}
    </p>
  )
}
