import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { RejectDetail } from '../../../src/ui/rejects/api.ts'
import { formatBytes, safe } from '../format.ts'
import { Moment } from '../parts/moment.tsx'
import { Text } from '../parts/text.tsx'
import type { RejectsState } from '../state/rejects.ts'
import { buttonOf } from './list.tsx'

/** The reject that is looked at, and its correction. */
export function Detail({ state }: { readonly state: RejectsState }): JSX.Element | null {
  const { id } = state.shown.value
  const detail = state.detail.value
  const failure = state.detailFailure.value
  const title = useRef<HTMLHeadingElement>(null)
  useEffect(() => title.current?.focus(), [id])
  if (id === '') return null
  const close = (): void => {
    state.show({ id: '' })
    document.getElementById(buttonOf(id))?.focus()
  }
  return (
    <section
      class="panel reject-detail"
      aria-labelledby="reject-detail"
      onKeyDown={({ key }) => {
        if (key === 'Escape') close()
      }}
    >
      <header class="panel-head">
        <h2 id="reject-detail" tabIndex={-1} ref={title}>
          Reject {safe(id)}
        </h2>
        <button type="button" onClick={close}>
          Close
        </button>
      </header>
      {failure !== undefined && (
        <p>
          <Text text={failure.message} /> <span class="faint">{safe(failure.hint ?? '')}</span>
        </p>
      )}
      {failure === undefined && detail === undefined && <p aria-busy="true">Loading the reject…</p>}
      {detail && <Known state={state} detail={detail} />}
    </section>
  )
}

interface KnownProps {
  readonly state: RejectsState
  readonly detail: RejectDetail
}

function Known({ state, detail }: KnownProps): JSX.Element {
  const { code, stage, reason, origin, line, rejectedAt, length } = detail
  return (
    <>
      <dl class="reject-facts">
        <dt>Code</dt>
        <dd>
          <Text text={code} isCode />
        </dd>
        <dt>Reason</dt>
        <dd>
          <Text text={reason ?? '–'} />
        </dd>
        <dt>Stage</dt>
        <dd>
          <Text text={stage} />
        </dd>
        <dt>Origin</dt>
        <dd>
          <Text text={`${origin}, line ${line}`} />
        </dd>
        <dt>Committed</dt>
        <dd>{rejectedAt === undefined ? 'unknown: by an older version of Sluice' : <Moment at={rejectedAt} />}</dd>
        {length !== undefined && (
          <>
            <dt>Size</dt>
            <dd>{formatBytes(length)}</dd>
          </>
        )}
      </dl>
      {detail.hasLine && <Line state={state} detail={detail} />}
      <Editor state={state} detail={detail} />
    </>
  )
}

/** A line that did not parse. Redaction finds nothing in it, so it is shown only when that is asked for. */
function Line({ state, detail: { unparsed } }: KnownProps): JSX.Element {
  if (unparsed === undefined)
    return (
      <p class="reject-line">
        <button type="button" onClick={() => void state.showUnparsed()}>
          Show the line as it was read
        </button>{' '}
        <span class="faint">Nothing in it is redacted.</span>
      </p>
    )
  return (
    <>
      <h3>The line as it was read{unparsed.isBase64 && ', in base64'}</h3>
      <p class="is-warning">Nothing in it is redacted.</p>
      <pre tabIndex={0} class="wraps">
        {safe(unparsed.text)}
      </pre>
    </>
  )
}

/** The record, which may be corrected. Characters that hide or turn text are escapes in it: they mean the same. */
function Editor({ state, detail: { id, lines } }: KnownProps): JSX.Element {
  const stored = lines.map(safe).join('\n')
  const correction = state.corrections.value.get(id)
  const rows = Math.min(24, Math.max(6, (correction?.text ?? stored).split('\n').length + 1))
  if (correction === undefined)
    return (
      <>
        <h3>Record</h3>
        {lines.length === 0 ? (
          <p class="faint">There is none: the line did not parse.</p>
        ) : (
          <pre tabIndex={0} aria-label={`Record of ${id}`}>
            {stored}
          </pre>
        )}
        <button type="button" onClick={() => state.correct(id, stored === '' ? '{}' : stored)}>
          {lines.length === 0 ? 'Write a record' : 'Correct the record'}
        </button>
      </>
    )
  const { text, mistake } = correction
  return (
    <>
      <label class="reject-editor">
        Corrected record
        <textarea
          class="code"
          spellcheck={false}
          autocomplete="off"
          rows={rows}
          value={text}
          aria-invalid={mistake !== undefined}
          aria-describedby="reject-mistake"
          onInput={({ currentTarget }) => state.correct(id, currentTarget.value)}
        />
      </label>
      <p id="reject-mistake" class="reject-mistake" role="status">
        {mistake === undefined ? (
          <span class="faint">This is a record.</span>
        ) : (
          <span class="is-error">{safe(mistake)}</span>
        )}
      </p>
      <p class="faint">Values that you add are redacted only by stages from the one that has rejected the record.</p>
      <button type="button" onClick={() => state.undoCorrection(id)}>
        Undo the correction
      </button>
    </>
  )
}
