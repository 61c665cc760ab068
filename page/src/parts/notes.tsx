import type { JSX } from 'preact'
import type { PipelineState } from '../state/pipeline.ts'
import { Clock } from './moment.tsx'
import { Panel } from './panel.tsx'
import { Text } from './text.tsx'

/** The last warnings and errors that the run has logged. */
export function Notes({ state }: { readonly state: PipelineState }): JSX.Element {
  const notes = state.snapshot.value?.notes ?? []
  return (
    <Panel id="notes" title="Last warnings of the run">
      {notes.length === 0 ? (
        <p class="faint">None.</p>
      ) : (
        <ul class="notes">
          {notes.map(({ at, message }) => (
            <li key={`${at} ${message}`}>
              <span class="faint">
                <Clock at={at} />
              </span>
              <Text text={message} />
            </li>
          ))}
        </ul>
      )}
    </Panel>
  )
}
