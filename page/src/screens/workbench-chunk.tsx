import { useSignal } from '@preact/signals'
import type { ComponentType, JSX } from 'preact'
import { useEffect } from 'preact/hooks'
import { Loading } from '../parts/failure.tsx'

interface NameProps {
  readonly name: string
}

/** The workbench has an editor, which other screens do without: it is loaded when it is opened. */
export function WorkbenchChunk({ name }: NameProps): JSX.Element {
  const loaded = useSignal<{ readonly Screen: ComponentType<NameProps> } | undefined>(undefined)
  const hasFailed = useSignal(false)
  const load = async (): Promise<void> => {
    hasFailed.value = false
    try {
      const { Workbench } = await import('./workbench.tsx')
      loaded.value = { Screen: Workbench }
    } catch {
      hasFailed.value = true
    }
  }
  useEffect(() => void load(), [])
  if (loaded.value !== undefined) return <loaded.value.Screen name={name} />
  if (!hasFailed.value) return <Loading what="the workbench" />
  return (
    <div class="notice is-error">
      <h1 tabIndex={-1}>The workbench cannot be loaded</h1>
      <p>sluice ui does not answer. If it was started again, open the address that it has printed.</p>
      <button type="button" onClick={() => location.reload()}>
        Load the page again
      </button>
    </div>
  )
}
