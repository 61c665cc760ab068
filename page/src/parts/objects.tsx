import { useComputed, useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import type { PipelineDetail } from '../../../src/ui/api.ts'
import { formatBytes, formatCount, safe } from '../format.ts'
import { announce } from '../state/connection.ts'
import type { PipelineState } from '../state/pipeline.ts'
import { useFew } from './few.tsx'
import { Ago } from './moment.tsx'
import { Panel, TableFrame } from './panel.tsx'
import { TableHead } from './table-head.tsx'
import { Text } from './text.tsx'

type StoredObject = PipelineDetail['objects'][number]

/** The last objects, the latest first. */
export function Objects({ state }: { readonly state: PipelineState }): JSX.Element {
  const objects = useComputed(() => state.detail.value?.objects ?? []).value
  const { shown, button } = useFew(objects, { name: 'objects', few: 20 })
  return (
    <Panel id="objects" title="Objects" isWide note={objects.length === 0 ? undefined : `the last ${objects.length}`}>
      {objects.length === 0 ? (
        <p class="faint">No objects are committed yet.</p>
      ) : (
        <TableFrame label="Last objects">
          <table class="objects">
            <TableHead columns={['Key', 'Sink', { number: 'Records' }, { number: 'Size' }, { number: 'Published' }]} />
            <tbody>
              {shown.map((object) => (
                <Row key={`${object.sink} ${object.epoch} ${object.key}`} object={object} />
              ))}
            </tbody>
          </table>
        </TableFrame>
      )}
      {button}
    </Panel>
  )
}

function Row({
  object: { key, sink, epoch, records, bytes, publishedAt },
}: {
  readonly object: StoredObject
}): JSX.Element {
  return (
    <tr>
      <th scope="row">
        <span class="key">
          <Text text={key} isCode />
          <CopyButton text={key} />
        </span>
      </th>
      <td class="named" title={`Epoch ${epoch}`}>
        <Text text={sink} />
      </td>
      <td class="number">{formatCount(records)}</td>
      <td class="number">{formatBytes(bytes)}</td>
      <td class="number">
        {publishedAt === undefined ? <span class="is-warning">Waiting for upload</span> : <Ago at={publishedAt} />}
      </td>
    </tr>
  )
}

/** Copies the key as it is, not as it is shown. A page without https has no clipboard. */
function CopyButton({ text }: { readonly text: string }): JSX.Element | null {
  const isCopied = useSignal(false)
  if (!isSecureContext) return null
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text)
      announce('Copied')
      isCopied.value = true
      setTimeout(() => {
        isCopied.value = false
      }, SHOWN)
    } catch {
      announce('The browser does not allow copying')
    }
  }
  return (
    <button type="button" class="copy" aria-label={`Copy the key ${safe(text)}`} onClick={() => void copy()}>
      {isCopied.value ? 'Copied' : 'Copy'}
    </button>
  )
}

/** Milliseconds. */
const SHOWN = 2000
