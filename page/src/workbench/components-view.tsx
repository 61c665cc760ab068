import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect } from 'preact/hooks'
import type { ComponentsAnswer } from '../../../src/ui/workbench/api.ts'
import type { ApiFailure } from '../api.ts'
import { safe } from '../format.ts'
import { Loading } from '../parts/failure.tsx'
import { TableFrame } from '../parts/panel.tsx'
import { TableHead } from '../parts/table-head.tsx'
import { announce } from '../state/connection.ts'
import type { WorkbenchState } from '../state/workbench.ts'
import { loadComponents } from './api.ts'
import { failureOf } from './failure-of.ts'
import { Prose } from './prose.tsx'
import { RequestFailure } from './request-failure.tsx'

type Component = ComponentsAnswer['components'][number]

/** All built-in components, to read about and to add. */
export function ComponentsView({ state }: { readonly state: WorkbenchState }): JSX.Element {
  const components = useSignal<readonly Component[] | undefined>(undefined)
  const failure = useSignal<ApiFailure | undefined>(undefined)
  const wanted = useSignal('')
  const load = async (): Promise<void> => {
    try {
      components.value = (await loadComponents()).components
    } catch (error) {
      failure.value = failureOf(error)
    }
  }
  useEffect(() => void load(), [])
  if (components.value === undefined)
    return failure.value === undefined ? (
      <Loading what="the components" />
    ) : (
      <RequestFailure title="The components cannot be listed:" failure={failure.value} />
    )
  const words = wanted.value.toLowerCase().split(/\s+/)
  const found = components.value.filter((one) => isWanted(one, words))
  const { stage } = state.effects
  const place = state.effects.answer.value?.stages.findIndex((one) => one.stage === stage.value) ?? -1
  const add = async ({ kind, type }: Component): Promise<void> => {
    const before = state.text.peek()
    try {
      const { text, line } = await state.api.addComponent({
        text: before,
        kind,
        type,
        ...(kind === 'transform' && place >= 0 && { after: place + 1 }),
      })
      if (state.text.peek() !== before) throw new Error('the text has changed meanwhile: add it again')
      failure.value = undefined
      state.replace(text, line)
      announce(`${type} is in the editor`)
    } catch (error) {
      failure.value = failureOf(error)
    }
  }
  return (
    <>
      <label class="field">
        Search
        <input
          type="search"
          value={wanted.value}
          placeholder="mask, s3, deduplicate…"
          onInput={({ currentTarget }) => (wanted.value = currentTarget.value)}
        />
      </label>
      {failure.value !== undefined && <RequestFailure title="It was not added:" failure={failure.value} />}
      {!state.canEdit.value && <p class="faint">This page is read-only: components can be read about only.</p>}
      {found.length === 0 && <p class="faint">No component has these words.</p>}
      <ul class="components">
        {found.map((component) => (
          <li key={`${component.kind} ${component.type}`}>
            <Entry
              component={component}
              add={state.canEdit.value ? add : undefined}
              after={component.kind === 'transform' && place >= 0 ? stage.value : undefined}
            />
          </li>
        ))}
      </ul>
    </>
  )
}

function isWanted({ kind, type, summary, fields }: Component, words: readonly string[]): boolean {
  const text = [kind, type, summary, ...fields.map(({ name }) => name)].join(' ').toLowerCase()
  return words.every((word) => text.includes(word))
}

interface EntryProps {
  readonly component: Component
  /** Absent: the page is read-only. */
  readonly add: ((component: Component) => Promise<void>) | undefined
  /** The stage that is chosen, after which a transform is added; absent: it is added at the end. */
  readonly after: string | undefined
}

function Entry({ component, add, after }: EntryProps): JSX.Element {
  const { kind, type, summary } = component
  const isOpen = useSignal(false)
  return (
    <details onToggle={({ currentTarget }) => (isOpen.value = currentTarget.open)}>
      <summary>
        <strong>{type}</strong> <span class="faint">{kind}</span> <Prose text={summary} />
      </summary>
      {isOpen.value && <About component={component} />}
      {isOpen.value && add !== undefined && (
        <button type="button" class="primary" onClick={() => void add(component)}>
          Add this {kind}
          {after !== undefined && ` after ${safe(after)}`}
        </button>
      )}
    </details>
  )
}

function About({ component: { type, fields, examples } }: { readonly component: Component }): JSX.Element {
  return (
    <>
      {fields.length > 0 && (
        <TableFrame label={`Options of ${type}`}>
          <table>
            <TableHead columns={['Option', 'Type', 'Default', 'Meaning']} />
            <tbody>
              {fields.map((field) => (
                <tr key={field.name}>
                  <th scope="row" class="code">
                    {field.name}
                  </th>
                  <td>{field.type}</td>
                  <td>{field.required ? 'required' : <span class="code">{field.default ?? '–'}</span>}</td>
                  <td>
                    <Prose text={field.description} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </TableFrame>
      )}
      {examples.map(({ title, yaml }) => (
        <div key={title}>
          <p>
            <Prose text={title} />
          </p>
          <pre tabIndex={0}>{yaml}</pre>
        </div>
      ))}
    </>
  )
}
