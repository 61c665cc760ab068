import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { RejectOutcome, ReplayAnswer, TryRejectsAnswer } from '../../../src/ui/rejects/api.ts'
import { formatCount, plural, safe } from '../format.ts'
import { Badge } from '../parts/badge.tsx'
import type { Tone } from '../parts/badge.tsx'
import { FailureText } from '../parts/failure-text.tsx'
import { Meter } from '../parts/meter.tsx'
import { Panel, TableFrame } from '../parts/panel.tsx'
import { TableHead } from '../parts/table-head.tsx'
import { Text } from '../parts/text.tsx'
import { project } from '../state/overview.ts'
import type { RejectsState } from '../state/rejects.ts'

/** What will happen to the choice, what happens to it, and what has happened. */
export function Outcome({ state }: { readonly state: RejectsState }): JSX.Element | null {
  const tried = state.tried.value
  const replay = state.replay.value
  const failure = state.actionFailure.value
  const isThere = tried !== undefined || replay !== undefined || failure !== undefined
  const place = useRef<HTMLDivElement>(null)
  // The button that was pressed stays in view while the list is scrolled, and this is above the list.
  useEffect(() => {
    if (isThere) place.current?.scrollIntoView({ block: 'nearest' })
  }, [isThere, replay?.state, failure])
  if (!isThere) return null
  return (
    <div class="reject-outcome" ref={place}>
      {failure !== undefined && (
        <div class="reject-result is-error" role="alert">
          <FailureText title="This was not done:" failure={failure} />
        </div>
      )}
      {replay?.state === 'replaying' && (
        <div class="reject-result" role="status">
          <p>
            Replaying: {formatCount(replay.done)} of {plural(replay.of, 'reject')}
          </p>
          <Meter share={replay.of === 0 ? 0 : replay.done / replay.of} />
        </div>
      )}
      {replay?.state === 'done' && <Done answer={replay.answer} />}
      {tried && <Tried state={state} tried={tried} />}
    </div>
  )
}

function Done({ answer }: { readonly answer: ReplayAnswer }): JSX.Element {
  const { outcome, read, written, rejected, duplicate, dropped, unpublished } = answer
  const counts = [
    `${plural(written, 'record')} written`,
    ...(rejected > 0 ? [`${formatCount(rejected)} rejected again`] : []),
    ...(duplicate > 0 ? [plural(duplicate, 'duplicate')] : []),
    ...(dropped > 0 ? [`${formatCount(dropped)} dropped`] : []),
  ]
  return (
    <div class="reject-result" role="status">
      <p>
        <strong>
          {outcome === 'done' ? 'Replayed' : 'Stopped after'} {plural(read, 'reject')}:
        </strong>{' '}
        {counts.join(', ')}.{unpublished > 0 && ` ${plural(unpublished, 'object')} wait for upload: run it to publish.`}
      </p>
    </div>
  )
}

interface TriedProps {
  readonly state: RejectsState
  readonly tried: TryRejectsAnswer
}

function Tried({ state, tried }: TriedProps): JSX.Element {
  const { chosen, totals, outcomes, knowsDuplicates } = tried
  const count = chosen - totals.stays
  const canEdit = project.value?.canEdit === true
  const isReplaying = state.replay.value?.state === 'replaying'
  return (
    <Panel id="reject-outcome" title="What will happen" isWide note={plural(chosen, 'reject')}>
      <ul class="reject-totals">
        {OUTCOMES.filter(({ outcome }) => totals[outcome] > 0).map(({ outcome, tone, text }) => (
          <li key={outcome}>
            <Badge tone={tone} text={formatCount(totals[outcome])} /> {text}
          </li>
        ))}
        {chosen === 0 && <li>None of them is in the queue any more.</li>}
      </ul>
      {!knowsDuplicates && totals.written > 0 && (
        <p class="faint">
          Written unless it is a duplicate: the dedup keys of the state could not be looked up at this moment.
        </p>
      )}
      <div class="reject-replay">
        <button
          type="button"
          class="primary"
          disabled={!canEdit || isReplaying || count === 0 || totals.blocked > 0}
          onClick={() => void state.replayChosen()}
        >
          Replay {plural(count, 'reject')}
        </button>
        {!canEdit && (
          <p>
            This page is read-only. Start it with <code>sluice ui --edit</code> to replay rejects.
          </p>
        )}
        {totals.blocked > 0 && (
          <p>With those that cannot be replayed in the choice, nothing is replayed: leave them out.</p>
        )}
      </div>
      <Outcomes outcomes={outcomes} chosen={chosen} />
    </Panel>
  )
}

interface Shown {
  readonly outcome: RejectOutcome['outcome']
  readonly tone: Tone
  readonly name: string
  readonly text: string
}

const OUTCOMES: readonly Shown[] = [
  { outcome: 'written', tone: 'good', name: 'Written', text: 'will be written' },
  { outcome: 'rejected', tone: 'warning', name: 'Rejected again', text: 'will be rejected again, with another id' },
  { outcome: 'duplicate', tone: 'plain', name: 'Duplicate', text: 'duplicate of what is written, and leave the queue' },
  { outcome: 'dropped', tone: 'plain', name: 'Dropped', text: 'will be dropped by the pipeline, and leave the queue' },
  { outcome: 'stays', tone: 'plain', name: 'Stays', text: 'cannot be replayed, and stay in the queue' },
  { outcome: 'blocked', tone: 'error', name: 'Cannot enter', text: 'cannot enter the stages again' },
]

interface OutcomesProps {
  readonly outcomes: readonly RejectOutcome[]
  readonly chosen: number
}

function Outcomes({ outcomes, chosen }: OutcomesProps): JSX.Element {
  return (
    <>
      <TableFrame label="What will happen">
        <table class="reject-outcomes">
          <TableHead columns={['Reject', 'Outcome', 'Record or reason']} />
          <tbody>
            {outcomes.map((outcome) => (
              <OutcomeRow key={outcome.id} outcome={outcome} />
            ))}
          </tbody>
        </table>
      </TableFrame>
      {chosen > outcomes.length && <p class="faint">The first {outcomes.length} are shown, the oldest first.</p>}
    </>
  )
}

function OutcomeRow({
  outcome: { id, outcome, why, after, rejections, dropped },
}: {
  readonly outcome: RejectOutcome
}) {
  const shown = OUTCOMES.find((one) => one.outcome === outcome)
  return (
    <tr>
      <th scope="row" class="no-wrap">
        {id}
      </th>
      <td class="no-wrap">{shown && <Badge tone={shown.tone} text={shown.name} />}</td>
      <td>
        {why !== undefined && <Text text={why} />}
        {after.map(({ lines, to }, at) => (
          <details key={at}>
            <summary>
              <span class="code wraps">
                {safe(
                  lines
                    .map((line) => line.trim())
                    .join(' ')
                    .slice(0, 120),
                )}
              </span>
              {to.length > 0 && <span class="faint"> to {safe(to.join(', '))}</span>}
            </summary>
            <pre tabIndex={0}>{lines.map(safe).join('\n')}</pre>
          </details>
        ))}
        {rejections.map(({ code, stage, reason }) => (
          <span key={`${code} ${stage} ${reason}`} class="line">
            <Text text={`${code} (${stage})${reason === undefined ? '' : `: ${reason}`}`} />
          </span>
        ))}
        {dropped.length > 0 && (
          <span class="line">
            <Text text={`dropped by ${dropped.join(', ')}`} />
          </span>
        )}
      </td>
    </tr>
  )
}
